// Groups of rows, as in zinfo/views/grouping.py: by label, cluster, primary, version, state or host.

import { own } from "./expressions.js";
import { nearest } from "./nearest.js";
import { FIELDS, Peers, splitAddress } from "./peers.js";
import { TOTALLED, REPLICA_ROLE, totalOf, totalsOf } from "./totals_of.js";

export const GROUPINGS = new Map([
  ["cluster", "cluster"], ["primary", "primary with its replicas"], ["version", "version"], ["state", "state"], ["host", "host"],
]);
const LABEL = "label:";

// A text names no grouping; the message says why, in one line.
export class GroupingError extends Error {}

export function checkGrouping(by) {
  if (GROUPINGS.has(by) || (by.startsWith(LABEL) && by !== LABEL)) return;
  const names = [...GROUPINGS.keys()];
  throw new GroupingError(
    `rows cannot be grouped by '${by.slice(0, 80)}'${nearest(by, names)}: expected label:NAME, `
      + `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`,
  );
}

// Returns the fields of INFO that a grouping reads, besides those of the totals.
export function groupingFields(by) {
  if (by === "primary") return FIELDS;
  return by === "cluster" ? [...FIELDS, "redis_mode"] : [];
}

// Returns rows in groups: `{key, title, rows, totals}`.
//
// `rows`: those to show, sorted by `sort`. `everything`: all shards, among which primaries are found.
export function groupRows(rows, by, { everything = rows, sort = "id", reverse = false, quantities }) {
  checkGrouping(by);
  const named = naming(by, everything);
  const groups = new Map();
  for (const row of rows) {
    const [key, title] = named(row);
    if (!groups.has(key)) groups.set(key, { key, title, rows: [] });
    groups.get(key).rows.push(row);
  }
  for (const group of groups.values()) {
    if (by === "primary") group.rows = primaryFirst(group);
    group.totals = totalsOf(group.rows, quantities);
  }
  return sorted([...groups.values()], quantities.get(sort), reverse);
}

export const TOTALS_NAMES = TOTALLED;

// Groups are sorted by the total of the quantity that rows are sorted by; without one, a group comes
// where its first row is.
function sorted(groups, quantity, reverse) {
  if (!quantity.total) return groups;
  const valued = groups.map((group) => ({ group, value: totalOf(quantity, group.rows) }));
  const sign = quantity.falling !== reverse ? -1 : 1;
  const known = valued.filter(({ value }) => value !== null).sort((one, other) => sign * (one.value - other.value));
  return [...known, ...valued.filter(({ value }) => value === null)].map(({ group }) => group);
}

function primaryFirst({ key, rows }) {
  const rank = (row) => (row.shard === key ? 0 : row.role === REPLICA_ROLE ? 2 : 1);
  return [...rows].sort((one, other) => rank(one) - rank(other));
}

function naming(by, everything) {
  if (by.startsWith(LABEL)) {
    const label = by.slice(LABEL.length);
    return byText((row) => own(row.labels, label));
  }
  if (by === "cluster") return byCluster(everything);
  if (by === "primary") return byPrimary(everything);
  return byText(TEXTS[by]);
}

function byText(text) {
  return (row) => {
    const found = text(row);
    return found ? [found, found] : ["", "(none)"];
  };
}

const TEXTS = {
  version: (row) => row.version,
  state: (row) => row.shown_state,
  host: (row) => splitAddress(row.shard)?.[0] ?? own(row.labels, "hostname"),
};

function byPrimary(everything) {
  const peers = new Peers(everything);
  return (row) => {
    const root = peers.root(row);
    return [root, peers.has(root) ? root : `${root} (not polled)`];
  };
}

function byCluster(everything) {
  const peers = new Peers(everything);
  const [roots, sizes] = [new Map(), new Map()];
  for (const row of everything) {
    if (own(row.labels, "cluster")) continue;
    const root = peers.root(row);
    roots.set(row.shard, root);
    sizes.set(root, (sizes.get(root) ?? 0) + 1);
  }
  return (row) => {
    const label = own(row.labels, "cluster");
    if (label) return [`cluster:${label}`, label];
    if (own(row.info, "redis_mode") === "cluster") return ["unnamed", "cluster without a name"];
    const root = roots.get(row.shard) ?? row.shard;
    return (sizes.get(root) ?? 0) > 1 || !peers.has(root) ? [`primary:${root}`, root] : ["standalone", "standalone"];
  };
}
