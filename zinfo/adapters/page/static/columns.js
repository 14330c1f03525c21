// The columns of the table: which there are, their width, and the text of a cell.

import { NOTHING, exactText, roleText, secondsText, shortText } from "./formatting.js";
import { UnknownQuantityError } from "./quantities.js";

export const MAX_COLUMNS = 40;
export const SPARK = "~"; // after the name of a quantity: its sparkline
const DEFAULT = "default"; // the set that is shown where none is chosen
const DEFAULT_COLUMNS = "id,state,role,ops,ops~,memory,memory~,hits,hits~,clients,keys,version,age";

const WIDTHS = { // in characters, by unit; the heading may need more
  "text": 16, "count": 5, "number": 5, "per second": 5, "bytes": 5, "bytes per second": 5, "ratio": 5, "seconds": 5, "time": 16,
};
const OWN_WIDTHS = { state: 20, role: 7, version: 7, error: 40 };
const LEAST_ID = 44; // characters that long ids should have
const LEFT_OUT_FIRST = ["interval", "net_out", "net_in", "version", "age", "full", "keys"];
const SPARK_WIDTH = 8.5; // characters

// Returns the columns that a text names: `{columns, problem}`. The text is a list of quantities, of
// which those with `~` have a sparkline, or the name of a set; "" for the default.
export function parseColumns(text, quantities, sets) {
  const set = sets.find((one) => one.name === (text || DEFAULT));
  const names = set?.columns ?? (text || DEFAULT_COLUMNS).split(",").map((one) => one.trim()).filter(Boolean);
  const columns = new Map();
  let problem = "";
  for (const name of names.slice(0, 2 * MAX_COLUMNS)) {
    try {
      const quantity = quantities.get(name.endsWith(SPARK) ? name.slice(0, -1) : name);
      const found = columns.get(quantity.name) ?? column(quantity, quantities);
      found.spark ||= name.endsWith(SPARK) && Boolean(quantity.series);
      if (columns.size < MAX_COLUMNS) columns.set(quantity.name, found);
    } catch (error) {
      if (!(error instanceof UnknownQuantityError)) throw error;
      problem ||= error.message;
    }
  }
  return { columns: [...columns.values()], problem };
}

// Returns the text that names columns, as `parseColumns` takes it.
export function formatColumns(columns) {
  return columns.flatMap(({ name, spark }) => (spark ? [name, `${name}${SPARK}`] : [name])).join(",");
}

function column(quantity, quantities) {
  return { name: quantity.name, quantity, text: textOf(quantity, quantities), right: quantity.numeric, spark: false };
}

// Returns the width of a column as CSS. `sparks`: whether there are sparklines.
export function widthOf({ name, quantity, right, spark }, { sparks, narrow }) {
  if (name === "id") return narrow ? "minmax(0, 1fr)" : "minmax(24ch, 1fr)";
  if (narrow) return name === "state" ? "11ch" : "9ch";
  const least = OWN_WIDTHS[name] ?? WIDTHS[quantity.unit] ?? 10;
  const wide = Math.max(least, Math.min(24, quantity.heading.length + 2));
  return `${wide + (right ? 2 : 1) + (sparks && spark ? SPARK_WIDTH : 0)}ch`;
}

// Returns as many of the default columns as leave room for the ids. `width`: in characters.
// `longest`: characters of the longest id.
export function fittingColumns(columns, width, longest) {
  const shown = [...columns];
  const id = Math.min(LEAST_ID, Math.max(longest, 20));
  const used = () => shown.reduce((sum, one) => sum + (parseFloat(widthOf(one, { sparks: true })) || id), 0);
  for (const name of LEFT_OUT_FIRST) {
    if (used() <= width) break;
    const at = shown.findIndex((one) => one.name === name);
    if (at >= 0) shown.splice(at, 1);
  }
  return shown;
}

// A phone has room for state, name and one number: the one that the table is sorted by.
export function narrowColumns(columns, sort) {
  const number = columns.find((one) => one.name === sort && one.right) ?? columns.find((one) => one.right);
  const [state, id] = ["state", "id"].map((name) => columns.find((one) => one.name === name));
  return [state && { ...state, text: shortStateText }, id, number].filter(Boolean);
}

function textOf(quantity, quantities) {
  const { value, unit, otherwise } = quantity;
  if (quantity.name === "state") return stateText;
  if (quantity.name === "role") return (row) => roleText(value(row));
  if (otherwise) return otherwiseText(quantity, quantities.get(otherwise));
  return (row) => shortText(value(row), unit);
}

// Another quantity where this one is unknown, marked as such: a hit ratio since the server's start,
// where no key was read in the last interval.
function otherwiseText({ value, unit }, other) {
  return (row) => {
    const text = shortText(value(row), unit);
    if (text !== NOTHING || !row.current) return text;
    const found = shortText(other.value(row), other.unit);
    return found === NOTHING ? found : `~${found}`;
  };
}

// The state; of one that is not up, also since when.
function stateText(row) {
  if (!row.fresh || row.state === "up" || row.since === null) return row.status;
  return `${row.status}, ${secondsText(row.since)}`;
}

// Without the reason, for a phone.
function shortStateText(row) {
  if (!row.fresh || row.state === "up" || row.since === null) return row.shown_state;
  return `${row.state} ${secondsText(row.since)}`;
}

// Returns the exact text of a value, for the title of its cell.
export function exactCellText({ quantity }, row) {
  const value = quantity.value(row);
  return value === null ? "unknown" : exactText(value, quantity.unit);
}
