// The ids in a column of a grid: shortened to its width, computed again only if ids or width change.

import { shorten } from "./names.js";

export class NameColumn {
  constructor() {
    this.key = "";
    this.names = new Map();
  }

  // Sets the ids that are shown. `width`: of the column, in characters.
  use(ids, width) {
    const key = `${width} ${ids.length} ${ids.join("\n")}`;
    if (key === this.key) return;
    this.key = key;
    this.names = shorten(ids, width);
  }

  text(id) {
    return this.names.get(id) ?? id;
  }
}
