// Numbers and texts as people read them; the rules are those of zinfo/views/formatting.py.

import { isNumber } from "./expressions.js";

export const NOTHING = "-"; // where a value is unknown
export const DAEMON = "(daemon)";

const ROLES = { master: "primary", slave: "replica" };
const MEMORY_UNITS = "BKMGTPE";
const RUN_ID_DIGITS = 8;

// Returns a number with a fixed number of decimals, rounded half to even as Python does.
export function fixed(value, digits) {
  const doubled = value * 2 ** (digits + 1);
  if (Number.isInteger(doubled) && doubled % 2 !== 0 && Math.abs(value) < 2 ** 50) {
    const below = Math.floor(value * 10 ** digits);
    return ((below % 2 === 0 ? below : below + 1) / 10 ** digits).toFixed(digits);
  }
  return value.toFixed(digits);
}

const short = (value) => fixed(value, value < 9.95 ? 1 : 0);

export function countText(value) {
  if (!Number.isFinite(value)) return NOTHING;
  if (value < 999.5) return fixed(value, 0);
  let [left, unit] = [value, -1];
  while (left >= 999.5) [left, unit] = [left / 1000, unit + 1];
  return `${short(left)}${"kMGTPE"[unit] ?? "?"}`;
}

export function rateText(value) {
  if (!Number.isFinite(value)) return NOTHING;
  if (value === 0 || value >= 99.5) return countText(value);
  return fixed(value, value < 9.995 ? 2 : 1);
}

export function memoryText(value) {
  if (!Number.isFinite(value)) return NOTHING;
  let [left, unit] = [value, 0];
  while (left >= 999.5 && unit < MEMORY_UNITS.length - 1) [left, unit] = [left / 1024, unit + 1];
  return `${unit ? short(left) : fixed(value, 0)}${MEMORY_UNITS[unit]}`;
}

export function ratioText(value) {
  return Number.isFinite(value) ? `${Math.floor(value * 100)}%` : NOTHING;
}

export function secondsText(value) {
  if (!Number.isFinite(value)) return NOTHING;
  if (value < 9.95) return `${fixed(value, 1)}s`;
  for (const [below, unit, letter] of [[99.5, 1, "s"], [5970, 60, "m"], [356400, 3600, "h"]]) {
    if (value < below) return `${fixed(value / unit, 0)}${letter}`;
  }
  return `${fixed(value / 86400, 0)}d`;
}

export function roleText(role) {
  if (!role) return NOTHING;
  return Object.hasOwn(ROLES, role) ? ROLES[role] : String(role);
}

// Returns a field's value as INFO writes it: maps as `keys=1,expires=0`.
export function valueText(value) {
  if (value === null || value === undefined) return NOTHING;
  if (Array.isArray(value)) return value.map(valueText).join(" ");
  if (typeof value === "object") {
    return Object.entries(value)
      .flatMap(([name, item]) => (Array.isArray(item) ? item : [item]).map((one) => `${name}=${valueText(one)}`))
      .join(",");
  }
  return String(value);
}

// Returns seconds; those below a second as `12us` or `1.2ms`.
export function durationText(value) {
  if (!Number.isFinite(value)) return NOTHING;
  if (value === 0 || value >= 0.9995) return secondsText(value);
  return value < 0.0009995 ? `${fixed(value * 1e6, 0)}us` : `${short(value * 1000)}ms`;
}

// A number that is not whole has decimals below 100.
export function numberText(value) {
  if (!Number.isFinite(value)) return NOTHING;
  return Number.isInteger(value) || Math.abs(value) >= 99.5 ? countText(value) : fixed(value, 2);
}

// Returns the local date and time of a wall-clock time in seconds, without the seconds.
export function dateText(time) {
  const date = new Date(time * 1000);
  if (!time || Number.isNaN(date.getTime()) || date.getFullYear() > 9999) return NOTHING;
  const [year, ...parts] = [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes()];
  const [month, day, hour, minute] = parts.map((part) => String(part).padStart(2, "0"));
  return `${String(year).padStart(4, "0")}-${month}-${day} ${hour}:${minute}`;
}

const SHORT = {
  "count": countText,
  "number": numberText,
  "per second": numberText,
  "bytes": memoryText,
  "bytes per second": memoryText,
  "ratio": ratioText,
  "seconds": secondsText,
  "milliseconds": (value) => durationText(value / 1e3),
  "microseconds": (value) => durationText(value / 1e6),
  "time": dateText,
};
const SUFFIXES = {
  "per second": "/s", "bytes": " bytes", "bytes per second": " bytes/s", "seconds": " s", "milliseconds": " ms", "microseconds": " us",
};

// Returns a short text for a value in a unit; texts are shown as they are, whatever the unit.
export function shortText(value, unit) {
  if (value === null || value === undefined) return NOTHING;
  return isNumber(value) && Object.hasOwn(SHORT, unit) ? SHORT[unit](value) : valueText(value);
}

// Returns a value with all digits and its unit: `1,234,567 bytes`.
export function exactText(value, unit) {
  if (value === null || value === undefined) return NOTHING;
  if (typeof value !== "number" || unit === "text") return valueText(value);
  if (!Number.isFinite(value)) return NOTHING;
  if (unit === "time") return `${dateText(value)} (${digits(value)})`;
  if (unit === "ratio") return `${digits(value * 100)}%`;
  return `${digits(value)}${SUFFIXES[unit] ?? ""}`;
}

// Returns a number with separators of thousands, and at most three decimals.
function digits(value) {
  const whole = Number.isInteger(value) ? BigInt(value).toString() : fixed(value, 3).replace(/\.?0+$/, "");
  const [before, after] = whole.split(".");
  const grouped = before.replace(/\B(?=([0-9]{3})+$)/g, ",");
  return after === undefined ? grouped : `${grouped}.${after}`;
}

// Returns the local time of day of a wall-clock time in seconds.
export function clockText(time) {
  const date = new Date(time * 1000);
  if (Number.isNaN(date.getTime())) return "??:??:??";
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

const STATES = new Set(["new", "up", "loading", "busy", "down"]);

// Returns a short description of an event: `down: refused (was up): ...`.
export function eventText({ type, old, new: present, reason, message }) {
  const [former, now] = [old, present].map((one) => one && String(one).slice(0, RUN_ID_DIGITS));
  if (type === "restarted") {
    return [type, former && now ? `run_id ${former} -> ${now}` : "", message].filter(Boolean).join(": ");
  }
  if (STATES.has(type)) {
    return `${type}${reason ? `: ${reason}` : ""}${old ? ` (was ${old})` : ""}${message ? `: ${message}` : ""}`;
  }
  if (type === "role_changed") return `${type}: ${roleText(old)} -> ${roleText(present)}`;
  const text = reason ? `${type} (${reason})` : type;
  if (message) return `${text}: ${message}`;
  return former && now && former !== now ? `${text}: ${former} -> ${now}` : text;
}
