// The program query.js: queries INFO, and prints it.

import { FailedError, UsageError } from "./errors.js";
import { readOptions, REFRESH_TIMEOUT, seconds, timeoutOr } from "./options.js";
import {
  note,
  painted,
  printable,
  roleText,
  say,
  secondsText,
  STATE_COLOURS,
  toJson,
  valueText,
} from "./printing.js";
import { Daemon } from "./sockets.js";
import { isMap } from "./values.js";

const OPTIONS = {
  section: { type: "string", multiple: true, default: [] },
  label: { type: "string", multiple: true, default: [] },
  "max-age": { type: "string", default: "0" },
  refresh: { type: "boolean", default: false },
  partial: { type: "boolean", default: false },
};

function labels(pairs) {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
      if (name === undefined) {
        throw new UsageError(`argument --label: found '${pair}', expected NAME=VALUE`);
      }
      return [name, value];
    }),
  );
}

/** Yield the entries of a reply, page by page. */
async function* entriesOf(daemon, op, args) {
  for await (const { entries } of daemon.pages(op, args)) {
    for (const entry of entries) {
      if (!isMap(entry) || (op === "get_infos" && !isMap(entry.meta))) {
        throw new FailedError(`the reply to ${op} is not an array of maps`);
      }
      yield entry;
    }
  }
}

/** Return the lines of one shard: a heading, and its fields in the format of INFO. */
function entryLines({ meta, ...fields }, shard = {}) {
  const head = [painted(printable(meta.shard_identifier), "bold")];
  if (meta.state !== undefined) {
    const why = shard.reason ? ` (${printable(shard.reason)})` : "";
    head.push(painted(printable(meta.state) + why, STATE_COLOURS[meta.state]));
  }
  if (meta.error !== undefined) {
    head.push(painted(printable(meta.error), "red"));
  } else {
    head.push(roleText(shard.role || "-"), printable(shard.version || "-"));
    head.push(`${secondsText(meta.info_age)} old`);
  }
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${printable(name)}:${valueText(one)}`),
  );
  return [`# ${head.join("  ")}`, ...lines];
}

/** Run the program with these arguments. */
export async function main(words) {
  const options = readOptions(words, OPTIONS);
  const args = {
    shard_ids: options.shards,
    keys: options.key,
    prefix_matching: options.prefix,
    sections: options.section,
    labels: labels(options.label),
    max_age: seconds("max-age", options["max-age"]),
    refresh: options.refresh,
    allow_partial: options.partial,
  };
  const timeout = timeoutOr(options, options.refresh ? REFRESH_TIMEOUT : undefined);
  const daemon = new Daemon(options.connect, timeout, options.keys);
  const count = { entries: 0, infos: 0, fields: 0 };
  let shards;
  for await (const entry of entriesOf(daemon, "get_infos", args)) {
    count.entries += 1;
    count.infos += entry.meta.error === undefined;
    count.fields += Object.keys(entry).length - 1;
    if (options.json) {
      if (entry.meta.error !== undefined) {
        entry.meta.info_age = null; // as `zinfo get` prints an age that is unknown
      }
      say(toJson(entry));
      continue;
    }
    if (shards === undefined) {
      shards = new Map();
      for await (const shard of entriesOf(daemon, "shards", {})) {
        shards.set(shard.id, shard);
      }
    } else {
      say("");
    }
    say(entryLines(entry, shards.get(entry.meta.shard_identifier)).join("\n"));
  }
  if (!count.entries) {
    note("no shard has INFO that matches");
  } else if (count.infos && !count.fields) {
    note("no field matches --key and --section");
  }
}
