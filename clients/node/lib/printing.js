// Output: JSON lines, values in the format of INFO, times, colours.

import { writeSync } from "node:fs";
import { getSystemErrorMap } from "node:util";

import { OutputError } from "./errors.js";
import { isMap } from "./values.js";

// Control characters, and those that change the direction of text or end a line.
const UNSAFE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const COLOURS = { bold: 1, red: 31, green: 32, yellow: 33, cyan: 36 };

/** Colours of the states of shards, and of the events named like them. */
export const STATE_COLOURS = {
  up: "green",
  down: "red",
  loading: "yellow",
  busy: "yellow",
  new: "cyan",
};

/** Return how a role of INFO is shown: primary for master, replica for slave. */
export function roleText(role) {
  return printable({ master: "primary", slave: "replica" }[role] ?? role ?? "-");
}

/** Print a line of output. */
export function say(line) {
  write(1, `${line}\n`);
}

/** Print a message on stderr. */
export function note(message) {
  write(2, `${printable(message)}\n`);
}

function write(file, text) {
  let data = Buffer.from(text);
  while (data.length) {
    try {
      data = data.subarray(writeSync(file, data));
    } catch (error) {
      if (error.code === "EAGAIN") {
        // The pipe is full, and its reader has made it non-blocking.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      } else if (error.code === "EPIPE") {
        process.exit(0); // the reader has gone: `query.js | head` ends quietly
      } else {
        throw new OutputError(`the output cannot be written: ${reason(error)}`);
      }
    }
  }
}

/** Return the description of a system error. */
export function reason(error) {
  const words = getSystemErrorMap().get(error.errno)?.[1] ?? error.message;
  return words[0].toUpperCase() + words.slice(1);
}

/** Return a value as JSON in one line of ASCII, with integers of any size. */
export function toJson(value) {
  if (Array.isArray(value)) {
    return `[${value.map(toJson).join(", ")}]`;
  }
  if (isMap(value)) {
    const pairs = Object.entries(value).map(([name, item]) => `${toJson(name)}: ${toJson(item)}`);
    return `{${pairs.join(", ")}}`;
  }
  if (typeof value === "bigint") {
    return String(value);
  }
  return JSON.stringify(value).replace(/[\x7f-\uffff]/g, (unit) => `\\u${hex(unit, 4)}`);
}

/** Return text in one line, with control characters escaped as in `\x1b`. */
export function printable(text) {
  const known = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };
  return text.replace(
    UNSAFE,
    (unit) => known[unit] ?? (unit < "\u0100" ? `\\x${hex(unit, 2)}` : `\\u${hex(unit, 4)}`),
  );
}

function hex(unit, digits) {
  return unit.charCodeAt(0).toString(16).padStart(digits, "0");
}

/** Return the text in a colour, if stdout is a terminal and colours are not disabled. */
export function painted(text, colour) {
  const wanted = process.stdout.isTTY && !process.env.NO_COLOR && process.env.TERM !== "dumb";
  return wanted && colour ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
}

/** Return a value in the format of INFO: maps as `keys=1,expires=0`. */
export function valueText(value) {
  if (Array.isArray(value)) {
    return value.map(valueText).join(" ");
  }
  if (isMap(value)) {
    return Object.entries(value)
      .flatMap(([name, item]) => [item].flat().map((one) => [name, one]))
      .map(([name, one]) => `${printable(name)}=${valueText(one)}`)
      .join(",");
  }
  return printable(String(value));
}

/** Return a wall-clock time in UTC, with milliseconds. */
export function when(moment) {
  const date = new Date(Math.floor(Math.round(moment * 1e6) / 1e3));
  return Number.isNaN(date.getTime()) ? "-" : date.toISOString();
}

/** Return a duration in seconds as short text. */
export function secondsText(value) {
  if (typeof value !== "number") {
    return "-";
  }
  if (value < 100) {
    return `${value.toFixed(1)} s`;
  }
  const all = Math.round(value);
  const [days, hours] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24];
  const minutes = Math.floor(all / 60) % 60;
  if (days) {
    return `${days} d ${hours} h`;
  }
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${all % 60} s`;
}
