// What is wrong with the shards, the worst first. The table of problems is data of the server
// (`view.json`): each has a condition in the language of filters, which is evaluated here.

import { Filter } from "./filtering.js";
import { shortText } from "./formatting.js";

export const SEVERITIES = ["critical", "warning", "info"];

export class Problems {
  // `table`: `problems` of view.json.
  constructor(table, quantities) {
    this.quantities = quantities;
    this.kinds = table.map((one) => ({ ...one, filter: new Filter(one.condition, quantities) }));
    this.ranks = new Map(this.kinds.map((one, at) => [one.name, at]));
  }

  // The quantities that conditions and details read.
  get used() {
    const named = this.kinds.flatMap(({ detail = "" }) => [...detail.matchAll(/\{([^}]+)\}/g)].map((found) => found[1]));
    const details = named.map((name) => this.quantities.find(name)).filter(Boolean);
    return [...this.kinds.flatMap((one) => one.filter.used), ...details];
  }

  // Returns the problems of some rows: `{kind, row, detail}`. A shard that was never polled, or whose
  // data is stale, has none.
  find(rows) {
    const known = rows.filter((row) => row.fresh && row.state !== "new");
    const found = this.kinds.flatMap((kind) => kind.filter.select(known).map((row) => ({
      kind, row, detail: this.detail(kind, row),
    })));
    const rank = ({ kind }) => [SEVERITIES.indexOf(kind.severity), this.ranks.get(kind.name)];
    return found.sort((one, other) => {
      const [mine, theirs] = [rank(one), rank(other)];
      return mine[0] - theirs[0] || mine[1] - theirs[1] || (one.row.shard < other.row.shard ? -1 : 1);
    });
  }

  detail({ detail = "" }, row) {
    return detail.replace(/\{([^}]+)\}/g, (whole, name) => {
      const one = this.quantities.find(name);
      return one ? shortText(one.value(row), one.unit) : whole;
    });
  }
}

// Returns how many problems there are of each severity: pairs, the worst first.
export function countProblems(problems) {
  return SEVERITIES.map((severity) => [severity, problems.filter((one) => one.kind.severity === severity).length]);
}
