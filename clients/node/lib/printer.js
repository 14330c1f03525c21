// The output of stream.js: a line for each change, event, or interruption of the stream.

import { UNKNOWN } from "./fields.js";
import {
  painted,
  printable,
  roleText,
  say,
  STATE_COLOURS,
  toJson,
  valueText,
  when,
} from "./printing.js";
import { isMap, same } from "./values.js";

/** The keys of an event, in their order. */
export const EVENT_KEYS = [
  ...["shard", "type", "old", "new", "reason"],
  ...["message", "number", "seq", "time"],
];

/** Prints as text or as JSON. */
export class Printer {
  #json;

  /** @param {boolean} json whether to print JSON objects */
  constructor(json) {
    this.#json = json;
  }

  /** Print the change of a field; of maps only the pairs that differ. */
  change(shard, revision, time, { field, old, new: now }) {
    if (this.#json) {
      const seen = old === UNKNOWN ? {} : { old };
      say(toJson({ update: "change", shard, revision, time, field, ...seen, new: now }));
      return;
    }
    const both = isMap(old) && isMap(now);
    const [left, right] = both ? [without(old, now), without(now, old)] : [old, now];
    text(time, shard, `${printable(field)}: ${shown(left)} -> ${shown(right)}`);
  }

  /** Print an event of a shard. */
  event(event) {
    if (this.#json) {
      say(toJson({ update: "event", ...event }));
      return;
    }
    const { type, old, new: now, reason, message } = event;
    let what = painted(printable(type), STATE_COLOURS[type] ?? "bold");
    what += reason ? ` (${printable(reason)})` : "";
    if (type === now) {
      // Events of some types are named like the new state.
      what += old ? `, was ${printable(old)}` : "";
    } else if (old && now && old !== now) {
      const word = type === "role_changed" ? roleText : printable;
      what += `: ${word(old)} -> ${word(now)}`;
    }
    what += message ? `: ${printable(message)}` : "";
    text(event.time, event.shard, `#${event.number} ${what}`);
  }

  /** Print an interruption of the stream, or its end: "gap", "stale", "again" or "restart". */
  interruption(update, shard, message) {
    const time = Date.now() / 1000;
    if (this.#json) {
      say(toJson({ update, time, shard, message }));
    } else {
      text(time, shard, painted(`${update}: ${printable(message)}`, "yellow"));
    }
  }
}

function text(time, shard, what) {
  const id = shard === null ? "-" : painted(printable(shard), "cyan");
  say(`${when(time)} ${id} ${what}`);
}

function without(one, other) {
  return Object.fromEntries(
    Object.entries(one).filter(([name, value]) => !same(value, other[name])),
  );
}

function shown(value) {
  if (value === UNKNOWN) {
    return "?";
  }
  return value === null ? "-" : valueText(value) || '""';
}
