// Rates of counters; the rules are those of zinfo/views/counters.py: a counter that was reset, or
// that another server continues, has no rate.

import { isNumber, own, splitPath } from "./expressions.js";

// Fields that are read wherever a rate is shown: they decrease with a reset or restart.
export const RESET_FIELDS = ["uptime_in_seconds", "total_commands_processed"];
// Fields that decrease with a reset; "run_id" changes with a restart.
export const RESET_MARKERS = [
  "run_id", ...RESET_FIELDS, "total_connections_received", "total_net_input_bytes", "keyspace_hits", "keyspace_misses",
];
const MIN_SECONDS = 0.001; // between two polls, below which there is no rate

// Returns whether the counters of a server were reset between two readings.
export function wereReset(old, info) {
  const [former, present] = [own(old, "run_id"), own(info, "run_id")];
  if (former !== null && present !== null && former !== present) return true;
  return RESET_MARKERS.some((name) => {
    const [before, after] = [own(old, name), own(info, name)];
    return isNumber(before) && isNumber(after) && after < before;
  });
}

// Returns the growth per second of each path (`FIELD` or `FIELD.KEY`); null where it is unknown.
//
// `seconds`: between the two readings, by the daemon's clock.
// `isCounter`: returns whether a field, or an item of it, counts; others have no rate.
export function rates(old, info, seconds, paths, isCounter = () => true) {
  const found = {};
  const valid = seconds > MIN_SECONDS && !wereReset(old, info);
  for (const path of paths) {
    const [before, after] = [counter(old, path, isCounter), counter(info, path, isCounter)];
    const known = valid && before !== null && after !== null && after >= before;
    found[path] = known ? (after - before) / seconds : null;
  }
  return found;
}

function counter(info, path, isCounter) {
  const [field, key] = splitPath(path);
  if (!isCounter(field, key)) return null;
  const value = own(info, field);
  const found = key && value !== null ? own(Object(value), key) : value;
  return isNumber(found) ? found : null;
}
