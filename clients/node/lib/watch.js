// The program stream.js: subscribes to a daemon's bus, and prints changes, events and gaps.

import { setTimeout as sleep } from "node:timers/promises";

import { BusSession, clock } from "./bus_session.js";
import { FailedError, StaleError } from "./errors.js";
import { Fields } from "./fields.js";
import { GapDetector } from "./gap_detector.js";
import { readOptions, timeoutOr } from "./options.js";
import { EVENT_KEYS, Printer } from "./printer.js";
import { note } from "./printing.js";
import { isMap } from "./values.js";
import { decodeMessage, makeTopic } from "./wire.js";

const KINDS = ["delta", "event"];
const JITTER = 1; // longest random delay in seconds, so that many clients do not query at once
const MAX_TOPICS = 500; // a socket with many more may lose subscriptions when it reconnects
const ALL = null; // all shards

/** Run the program with these arguments, until Ctrl-C. */
export async function main(words) {
  const options = readOptions(words);
  const timeout = timeoutOr(options);
  await new Watch(options, new BusSession(options.connect, timeout, options.keys)).run(timeout);
}

class Watch {
  #session;
  #printer;
  #shards;
  #args;
  #fields;
  #topics;
  #all; // whether messages of all shards are received
  #gapDetectors = newGapDetectors();
  #receivedAt = 0;
  #suspect; // shards, or ALL, that are to be fetched from the daemon's cache; or undefined
  #fetchAt = 0; // when to fetch them

  constructor({ shards, key, prefix, json }, session) {
    this.#session = session;
    this.#printer = new Printer(json);
    this.#shards = shards;
    this.#args = { keys: key, prefix_matching: prefix, allow_partial: true };
    this.#fields = new Fields(key, prefix);
    this.#all = !shards.length || shards.length * KINDS.length > MAX_TOPICS;
    const names = this.#all ? [null] : [...new Set(shards)].sort();
    const topics = KINDS.flatMap((kind) => names.map((name) => makeTopic(kind, name)));
    this.#topics = [makeTopic("hb"), ...topics];
  }

  /** Join, the first time within `timeout` seconds, and print; does not return. */
  async run(timeout) {
    await this.#begin(clock() + timeout);
    for (;;) {
      try {
        await this.#follow();
      } catch (error) {
        if (!(error instanceof StaleError)) {
          throw error;
        }
        this.#printer.interruption("stale", null, error.message);
        await this.#joinAgain();
      }
    }
  }

  // --- joining

  async #begin(until) {
    for (;;) {
      try {
        this.#joined(await this.#session.join(this.#topics));
        for (const missing of await this.#fetch(this.#shards)) {
          note(`${missing}; waiting for it`);
        }
        return;
      } catch (error) {
        if (!(error instanceof StaleError)) {
          throw error;
        }
        if (clock() >= until) {
          throw new FailedError(error.message);
        }
        await pause(0.05, 0.1);
      }
    }
  }

  async #joinAgain() {
    const epoch = this.#session.epoch;
    const totals = await this.#rejoined();
    if (this.#session.epoch !== epoch) {
      this.#printer.interruption("restart", null, `${this.#session.node} was restarted`);
      this.#gapDetectors = newGapDetectors();
      this.#fields.forgetAll();
      this.#joined(totals);
      this.#markSuspect(ALL, 0);
    } else {
      this.#printer.interruption("again", null, "the daemon responds again");
      this.#joined(totals);
      this.#checkAfterReconnect(0);
    }
  }

  async #rejoined() {
    await pause(0, JITTER);
    for (;;) {
      try {
        return await this.#session.join(this.#topics);
      } catch (error) {
        if (!(error instanceof StaleError || error instanceof FailedError)) {
          throw error;
        }
        await pause(JITTER / 2, JITTER); // "stale" has been printed already
      }
    }
  }

  #joined(totals) {
    this.#receivedAt = clock();
    this.#suspect = undefined;
    this.#compare(totals);
  }

  // --- following

  /** Handle messages until the state becomes stale. */
  async #follow() {
    for (;;) {
      const silentAt = this.#receivedAt + this.#session.staleAfter;
      const fetchAt = this.#suspect === undefined ? Infinity : this.#fetchAt;
      const frames = await this.#session.receive(Math.min(silentAt, fetchAt));
      if (frames !== undefined) {
        this.#receivedAt = clock();
        this.#handle(frames);
      } else if (clock() >= silentAt) {
        throw new StaleError(`no heartbeat for ${(clock() - this.#receivedAt).toFixed(1)} s`);
      }
      if (this.#suspect !== undefined && clock() >= this.#fetchAt) {
        await this.#fetchSuspect();
      }
    }
  }

  #handle(frames) {
    let message;
    try {
      message = checked(decodeMessage(frames));
    } catch (error) {
      if (!(error instanceof FailedError)) {
        throw error;
      }
      // It counts as missing, so the next message reveals a gap.
      note(`a bus message could not be decoded: ${error.message}`);
      return;
    }
    const { topic, kind, name, body } = message;
    const [, node, epoch, seq, time] = message.header;
    if (epoch !== this.#session.epoch) {
      throw new StaleError(`another daemon, or a restarted one: ${node}`);
    }
    if (kind === "hb") {
      this.#session.interval = body.interval;
      this.#compare(body);
    } else if (topic === this.#session.fence) {
      this.#compare(body); // ZeroMQ has reconnected
      this.#checkAfterReconnect();
    } else if (kind === "delta") {
      this.#handleDelta(name, seq, time, body);
    } else if (kind === "event") {
      this.#handleEvent(name, seq, body);
    }
  }

  #handleDelta(shard, revision, time, delta) {
    const known = delta.base === 0 ? undefined : this.#fields.revision(shard);
    const missing = this.#gapDetectors.delta.record(shard, revision, known);
    if (missing < 0 || !this.#isSelected(shard)) {
      return;
    }
    if (missing) {
      this.#gap("delta", shard);
    }
    if (this.#suspect === undefined || (this.#suspect !== ALL && !this.#suspect.has(shard))) {
      for (const change of this.#fields.apply(shard, revision, delta)) {
        this.#printer.change(shard, revision, time, change);
      }
    }
  }

  #handleEvent(shard, seq, body) {
    const missing = this.#gapDetectors.event.record(shard, seq);
    const removed = body.type === "removed";
    if (removed) {
      Object.values(this.#gapDetectors).forEach((detector) => detector.forget(shard));
    }
    if (missing < 0 || !this.#isSelected(shard)) {
      return;
    }
    if (missing) {
      this.#gap("event", shard);
    }
    const event = Object.fromEntries(EVENT_KEYS.map((key) => [key, body[key]]));
    const labels = body.labels ?? undefined; // in events of the types added and labels_changed
    this.#printer.event(labels === undefined ? event : { ...event, labels });
    if (removed) {
      this.#fields.forget(shard);
    }
  }

  #isSelected(shard) {
    return !this.#shards.length || this.#shards.includes(shard);
  }

  // --- gaps

  /** Compare received messages with the daemon's totals, if all should be received. */
  #compare(totals) {
    if (this.#all && this.#session.seesAll) {
      const published = { delta: totals.revisions, event: totals.events };
      const differing = KINDS.filter((kind) => {
        return this.#gapDetectors[kind].totalDiffers(published[kind]);
      });
      differing.forEach((kind) => this.#gap(kind, ALL));
    }
  }

  /** Report a gap after a reconnection, unless totals show whether there is one. */
  #checkAfterReconnect(wait) {
    if (!(this.#all && this.#session.seesAll)) {
      KINDS.forEach((kind) => this.#gap(kind, ALL, wait));
    }
  }

  #gap(kind, shard, wait = Math.random() * JITTER) {
    if (shard === ALL) {
      this.#gapDetectors[kind].forgetAll();
    }
    if (kind === "event") {
      const hint = "events were lost; `events` of the daemon returns them";
      this.#printer.interruption("gap", shard, hint);
    } else {
      this.#printer.interruption("gap", shard, "messages were lost; the changes in total follow");
      this.#markSuspect(shard, wait);
    }
  }

  /** Schedule fetching a shard, or ALL, after a pause: other clients may fetch as well. */
  #markSuspect(shard, wait) {
    if (this.#suspect === undefined) {
      this.#fetchAt = clock() + wait;
      this.#suspect = new Set();
    }
    if (shard === ALL) {
      this.#suspect = ALL;
    } else if (this.#suspect !== ALL) {
      this.#suspect.add(shard);
    }
  }

  async #fetchSuspect() {
    try {
      await this.#fetch(this.#suspect === ALL ? this.#shards : [...this.#suspect].sort());
    } catch (error) {
      if (!(error instanceof FailedError)) {
        throw error;
      }
      this.#fields.forgetAll(); // the stream continues; the next old values are unknown
      note(`the daemon's cache could not be read: ${error.message}`);
    }
    this.#suspect = undefined;
  }

  /** Fetch from the daemon's cache, and print changes; returns errors of missing shards. */
  async #fetch(shards) {
    const missing = [];
    for await (const entry of this.#session.entries({ ...this.#args, shard_ids: shards })) {
      const { meta, ...fields } = entry;
      if (meta.error !== undefined) {
        missing.push(meta.error);
        continue;
      }
      const { shard_identifier: shard, revision, time } = meta;
      for (const change of this.#fields.replace(shard, revision, fields)) {
        this.#printer.change(shard, revision, time, change);
      }
    }
    return missing;
  }
}

function newGapDetectors() {
  return { delta: new GapDetector(), event: new GapDetector() };
}

/** Back off before the next attempt to join, with jitter. */
function pause(shortest, longest) {
  return sleep(1000 * (shortest + Math.random() * (longest - shortest)));
}

// Required keys in the body of each kind of message.
const NEEDED = {
  hb: ["interval", "revisions", "events"],
  fence: ["revisions", "events"],
  delta: ["set", "unset", "base"],
  event: EVENT_KEYS,
};

/** Return the message if its body is valid, or throw a FailedError. */
function checked(message) {
  const { kind, body } = message;
  const lacks = (NEEDED[kind] ?? []).filter((key) => !isMap(body) || !Object.hasOwn(body, key));
  if (lacks.length || (kind === "delta" && !(isMap(body.set) && Array.isArray(body.unset)))) {
    throw new FailedError(`the body of ${kind} lacks ${lacks.join(", ") || "fields"}`);
  }
  return message;
}
