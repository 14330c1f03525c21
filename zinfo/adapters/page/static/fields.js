// Which fields the server is asked for: those that the open view shows, filters and sorts by.

import { RESET_FIELDS } from "./counters.js";

// Returns the fields and the rates that some quantities need.
export function needs(quantities) {
  const fields = new Set();
  const paths = new Set();
  for (const one of quantities) {
    for (const field of one.fields) fields.add(field);
    for (const path of one.ratePaths) paths.add(path);
  }
  if (paths.size) for (const field of RESET_FIELDS) fields.add(field);
  return { fields, paths };
}

// Collects what the parts of the page need, and opens the stream with all of it.
export class Wanted {
  // `open` is called with the list of fields when others are needed; it has `most` fields at most.
  constructor(store, most, open) {
    Object.assign(this, { store, most, open });
    this.byPart = new Map();
    this.opened = new Set();
    this.left = 0; // fields that did not fit
  }

  // Sets the quantities that a part of the page needs; none: the part is closed.
  want(part, quantities) {
    if (quantities.length) this.byPart.set(part, needs(quantities));
    else this.byPart.delete(part);
    const all = [...this.byPart.values()];
    const fields = new Set(all.flatMap((one) => [...one.fields]));
    this.store.wantRates(new Set(all.flatMap((one) => [...one.paths])));
    // A field that is no longer needed stays until the stream is opened again anyway.
    if (this.opened.size && [...fields].every((field) => this.opened.has(field))) return;
    const chosen = [...fields].slice(0, this.most);
    this.left = fields.size - chosen.length;
    if (this.left && chosen.every((field) => this.opened.has(field)) && this.opened.size) return;
    this.opened = new Set(chosen);
    this.open([...chosen].sort());
  }
}
