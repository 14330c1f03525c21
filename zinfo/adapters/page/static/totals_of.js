// Totals of rows, as zinfo/views/totals.py computes them: only rows that are current count, and
// memory and keys of replicas, copies of their primaries', are not added to them.

import { evaluator, isNumber } from "./expressions.js";

export const REPLICA_ROLE = "slave";
export const TOTALLED = ["ops", "memory", "full", "keys", "clients", "hits"];

// Returns the totals of some rows; a number is null where no current row has it.
export function totalsOf(rows, quantities) {
  const current = rows.filter((row) => row.current);
  const replicas = current.filter((row) => row.role === REPLICA_ROLE);
  const states = {};
  let [allReplicas, fullest, fullestShard] = [0, null, ""];
  for (const row of rows) {
    states[row.shown_state] = (states[row.shown_state] ?? 0) + 1;
    if (row.role === REPLICA_ROLE) allReplicas += 1;
  }
  const full = quantities.get("full");
  for (const row of current) {
    const share = full.value(row);
    if (isNumber(share) && (fullest === null || share > fullest)) [fullest, fullestShard] = [share, row.shard];
  }
  const total = (name) => totalOf(quantities.get(name), current);
  return {
    shards: rows.length,
    current: current.length,
    states,
    primaries: rows.length - allReplicas,
    replicas: allReplicas,
    ops: total("ops"),
    memory: total("memory"),
    memory_replicas: totalOf({ ...quantities.get("memory"), total: "sum" }, replicas),
    keys: total("keys"),
    clients: total("clients"),
    hits: total("hits"),
    fullest,
    fullest_shard: fullestShard,
  };
}

// Returns the total of a quantity; null where it has none, or no current row has the value.
export function totalOf({ total, value, expression }, rows) {
  if (total === "ratio") return ratio(expression, rows);
  let found = null;
  for (const row of rows) {
    if (!row.current || (total === "primaries" && row.role === REPLICA_ROLE)) continue;
    const one = total ? value(row) : null;
    if (!isNumber(one)) continue;
    if (found === null) found = one;
    else found = total === "max" ? Math.max(found, one) : found + one;
  }
  return found;
}

// The sum of the dividends divided by the sum of the divisors.
function ratio([, dividend, divisor], rows) {
  const [upper, lower] = [evaluator(dividend), evaluator(divisor)];
  let [above, below] = [0, 0];
  for (const row of rows) {
    if (!row.current) continue;
    const [one, other] = [upper(row), lower(row)];
    if (isNumber(one) && isNumber(other)) [above, below] = [above + one, below + other];
  }
  return below > 0 ? above / below : null;
}
