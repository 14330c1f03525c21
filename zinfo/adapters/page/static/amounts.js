// Numbers with units as people write them in a filter, as in zinfo/views/amounts.py.

const NUMBER = /^([0-9]{1,18}(?:\.[0-9]{1,18})?|\.[0-9]{1,18})([a-z%]{0,3})$/;
const POWERS = { "": 0, k: 1, m: 2, g: 3, t: 4 };
const DURATIONS = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 };
const OWN_DURATION = { seconds: "s", time: "s", milliseconds: "ms", microseconds: "us" };
const EXAMPLES = {
  "bytes": "512M or 2G",
  "bytes per second": "10k or 5M",
  "ratio": "80%",
  "seconds": "10s, 5m or 2h",
  "milliseconds": "5ms or 2s",
  "microseconds": "500us, 5ms or 2s",
};

// A text is no number with a unit that fits; the message says why, in one line.
export class AmountError extends Error {}

// Returns the value of a number with its unit, or throws AmountError. `unit`: of the quantity.
export function amount(text, unit) {
  const found = NUMBER.exec(text.toLowerCase());
  const examples = EXAMPLES[unit] ?? "100, 1.5k or 2M";
  if (!found) throw new AmountError(`${text.slice(0, 40)} is not a number such as ${examples}`);
  const [number, suffix] = [Number(found[1]), found[2]];
  if (unit === "ratio") {
    if (suffix === "" || suffix === "%") return number / 100;
  } else if (Object.hasOwn(OWN_DURATION, unit)) {
    const ownUnit = OWN_DURATION[unit];
    const given = suffix || ownUnit;
    if (Object.hasOwn(DURATIONS, given)) return (number * DURATIONS[given]) / DURATIONS[ownUnit];
  } else if (unit === "bytes" || unit === "bytes per second") {
    const power = suffix.replace(/b$/, "").replace(/i$/, "");
    if (Object.hasOwn(POWERS, power)) return number * 1024 ** POWERS[power];
  } else if (Object.hasOwn(POWERS, suffix)) return number * 1000 ** POWERS[suffix];
  throw new AmountError(`${text.slice(0, 40)} has a unit that does not fit: expected ${examples}`);
}
