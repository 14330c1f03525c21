// Sorts rows by a quantity. Values that are unknown come last, in either order.

import { isNumber } from "./expressions.js";
import { valueText } from "./formatting.js";

const WORST_FIRST = ["down", "stale", "busy", "loading", "new", "up"];
const MAX_DIGITS = 18;

// Returns a list in which `db-2` comes before `db-10`: texts and numbers in turn.
export function natural(text) {
  return text.split(/([0-9]+)/).map((part, at) => (at % 2 ? whole(part.slice(0, MAX_DIGITS)) : part));
}

const whole = (digits) => (digits.length > 15 ? BigInt(digits) : Number(digits));

export function compareNatural(one, other) {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    if (one[at] < other[at]) return -1;
    if (one[at] > other[at]) return 1;
  }
  return one.length - other.length;
}

// Orders rows; remembers the order of the ids, which seldom changes.
export class Ordering {
  constructor() {
    this.ranks = new Map(); // position of each id in natural order
    this.keys = new Map();
  }

  rank(rows) {
    if (rows.every((row) => this.ranks.has(row.shard))) return this.ranks;
    this.keys = new Map(rows.map((row) => [row.shard, this.keys.get(row.shard) ?? natural(row.shard)]));
    const sorted = [...this.keys].sort((one, other) => compareNatural(one[1], other[1]));
    this.ranks = new Map(sorted.map(([id], at) => [id, at]));
    return this.ranks;
  }

  // Returns rows sorted by a quantity, in its default order or reversed.
  sort(rows, quantity, reverse = false) {
    const ranks = this.rank(rows);
    const key = keyOf(quantity, ranks);
    const sign = quantity.falling !== reverse ? -1 : 1;
    return rows
      .map((row) => ({ row, key: key(row), rank: ranks.get(row.shard) }))
      .sort((one, other) => compare(one, other, sign))
      .map((one) => one.row);
  }
}

function compare(one, other, sign) {
  if (one.key === null || other.key === null) {
    if (one.key !== other.key) return one.key === null ? 1 : -1;
  } else if (one.key !== other.key) {
    const found = compareKeys(one.key, other.key);
    if (found) return sign * found;
  }
  return one.rank - other.rank;
}

function compareKeys(one, other) {
  if (isNumber(one) && isNumber(other)) return one < other ? -1 : one > other ? 1 : 0;
  if (Array.isArray(one) && Array.isArray(other)) return compareNatural(one, other);
  return isNumber(one) ? -1 : 1; // numbers before texts, in ascending order
}

// Returns the function that gives the sort key of a row; null where the value is unknown. A number
// without a unit may be a text for some rows.
function keyOf({ name, unit, numeric, value }, ranks) {
  if (name === "id") return (row) => ranks.get(row.shard);
  if (name === "state") return (row) => [WORST_FIRST.indexOf(row.shown_state), row.reason];
  if (name === "role") return (row) => (row.shown_role ? [row.shown_role] : null);
  if (numeric && unit !== "number") {
    return (row) => {
      const found = value(row);
      return isNumber(found) ? found : null;
    };
  }
  return (row) => {
    const found = value(row);
    if (found === null || found === "") return null;
    return isNumber(found) ? found : natural(valueText(found));
  };
}
