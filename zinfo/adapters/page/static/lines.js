// The lines of the table: rows alone, or groups with their rows below them.

import { MARKS } from "./cells.js";
import { countText, memoryText, shortText } from "./formatting.js";
import { totalOf } from "./totals_of.js";

const UNFOLDED = 60; // groups are unfolded at first if they have no more rows together
const WORST_FIRST = ["down", "stale", "busy", "loading", "new"];

// Returns the lines for rows without groups; the line of a row is made once.
export function plainLines(rows) {
  return rows.map((row) => (row.line ??= { key: `s ${row.shard}`, row }));
}

// Which groups are folded: those of one grouping that were not unfolded.
export class Folding {
  constructor() {
    this.by = "";
    this.open = new Set();
  }

  // Begins with another grouping.
  start(by, groups) {
    if (this.by === by) return;
    const size = groups.reduce((sum, group) => sum + group.rows.length, 0);
    this.by = by;
    this.open = new Set(size <= UNFOLDED ? groups.map((group) => group.key) : []);
  }

  toggle(key) {
    if (!this.open.delete(key)) this.open.add(key);
  }

  setAll(groups, open) {
    this.open = new Set(open ? groups.map((group) => group.key) : []);
  }
}

// Returns the lines for groups; those of folded groups are left out.
export function groupLines(groups, folding) {
  return groups.flatMap((group, at) => {
    const open = folding.open.has(group.key);
    const parent = `g ${group.key}`;
    const head = {
      key: parent, group, level: 1, expanded: open, size: groups.length, position: at + 1,
    };
    if (!open) return [head];
    return [head, ...group.rows.map((row, index) => ({
      key: `s ${row.shard}`, row, level: 2, parent, size: group.rows.length, position: index + 1,
    }))];
  });
}

// Returns what the row of a group shows in the first column beside its title.
export function aboutGroup({ totals }) {
  const replicas = totals.replicas ? `, ${countText(totals.replicas)} replicas with ${memoryText(totals.memory_replicas)}` : "";
  return `${totals.shards === 1 ? "1 shard" : `${countText(totals.shards)} shards`}${replicas}`;
}

// Returns the text of a group in a column: its total, or the worst states of its shards.
export function groupText({ rows, totals }, { quantity }) {
  if (quantity.name === "state") return statesText(totals);
  if (!quantity.total) return "";
  return shortText(totalOf(quantity, rows), quantity.unit);
}

function statesText({ states, shards }) {
  const bad = WORST_FIRST.filter((state) => states[state]);
  if (!bad.length) return `${MARKS.up} ${states.up === shards ? "all up" : ""}`;
  return bad.map((state) => `${MARKS[state]} ${countText(states[state])} ${state}`).join("  ");
}
