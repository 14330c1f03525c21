// Totals of rows: how many are in which state, and sums that leave out what is unknown.

import { isNumber } from "./expressions.js";

// Returns `{shards, states, values}`. `values` has the total of each quantity, null where unknown.
export function totalsOf(rows, quantities) {
  const states = {};
  for (const row of rows) states[row.shown_state] = (states[row.shown_state] ?? 0) + 1;
  const values = {};
  for (const one of quantities) values[one.name] = total(rows, one);
  return { shards: rows.length, states, values, replicaMemory: null, down: states.down ?? 0 };
}

function total(rows, { total: how, value }) {
  let found = null;
  if (!how || how === "ratio") return null;
  for (const row of rows) {
    if (how === "primaries" && row.role === "slave") continue;
    const one = value(row);
    if (!isNumber(one)) continue;
    found = found === null ? one : how === "max" ? Math.max(found, one) : found + one;
  }
  return found;
}
