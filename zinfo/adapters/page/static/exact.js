// Values of one shard as text: short as in the table, or exact.

import { isNumber } from "./expressions.js";
import { NOTHING, rateText, secondsText, shortText, valueText } from "./formatting.js";

const UNITS = {
  "bytes": "bytes", "bytes per second": "bytes/s", "per second": "per second", "seconds": "s", "milliseconds": "ms",
  "microseconds": "µs",
};
const PARTS = { seconds: 1, milliseconds: 1e3, microseconds: 1e6 };

// Returns a value with all its digits, and its unit.
export function exactValue(value, unit) {
  if (value === null || value === undefined) return NOTHING;
  if (!isNumber(value)) return valueText(value);
  if (unit === "time") return value > 0 ? new Date(value * 1000).toLocaleString("sv") : "never";
  if (unit === "ratio") return `${(value * 100).toLocaleString("en", { maximumFractionDigits: 2 })} %`;
  const text = value.toLocaleString("en", { maximumFractionDigits: 3 });
  return Object.hasOwn(UNITS, unit) ? `${text} ${UNITS[unit]}` : text;
}

// Returns a value as people read it. `now`: the wall clock, for times.
export function humanValue(value, unit, now) {
  if (!isNumber(value)) return shortText(value, unit);
  if (unit === "time") return value > 0 ? `${secondsText(Math.max(0, now - value))} ago` : "never";
  if (Object.hasOwn(PARTS, unit)) return shortDuration(value / PARTS[unit]);
  if (unit === "per second") return rateText(value);
  return shortText(value, unit);
}

// Durations below a second have units of their own.
function shortDuration(seconds) {
  if (!Number.isFinite(seconds)) return NOTHING;
  if (seconds === 0) return "0s";
  for (const [unit, name] of [[1e-6, "µs"], [1e-3, "ms"]]) {
    if (Math.abs(seconds) < unit * 1000) {
      const value = seconds / unit;
      return `${value.toFixed(value < 9.95 ? 1 : 0)}${name}`;
    }
  }
  return secondsText(seconds);
}
