// What stream.js does: follow a daemon's bus, and tell what it brings and what it does not.

import { setTimeout as sleep } from "node:timers/promises";

import { FailedError, LostError } from "./errors.js";
import { Count } from "./count.js";
import { Fields } from "./fields.js";
import { EVENT_KEYS, Printer } from "./lines.js";
import { clock, Link } from "./link.js";
import { readOptions, timeoutOr } from "./options.js";
import { note } from "./printing.js";
import { isMap } from "./values.js";
import { decodeMessage, makeTopic } from "./wire.js";

const KINDS = ["delta", "event"];
const SPREAD = 1; // seconds; a random part is waited before many would ask the daemon at once
const MAX_TOPICS = 500; // a socket with many more loses some when its connection is made anew
const ALL = null; // stands for every shard

/** Do what the command line asks for, until Ctrl-C. */
export async function main(words) {
  const options = readOptions(words);
  const timeout = timeoutOr(options);
  await new Watch(options, new Link(options.connect, timeout, options.keys)).run(timeout);
}

class Watch {
  #link;
  #printer;
  #shards;
  #args;
  #fields;
  #topics;
  #all; // whether messages of all shards are received
  #counts = newCounts();
  #heardAt = 0;
  #doubtful; // shards, or ALL, whose changes wait until the daemon's cache was asked; or undefined
  #lookAt = 0; // when to ask it

  constructor({ shards, key, prefix, json }, link) {
    this.#link = link;
    this.#printer = new Printer(json);
    this.#shards = shards;
    this.#args = { keys: key, prefix_matching: prefix, allow_partial: true };
    this.#fields = new Fields(key, prefix);
    this.#all = !shards.length || shards.length * KINDS.length > MAX_TOPICS;
    const names = this.#all ? [null] : [...new Set(shards)].sort();
    const topics = KINDS.flatMap((kind) => names.map((name) => makeTopic(kind, name)));
    this.#topics = [makeTopic("hb"), ...topics];
  }

  /** Join, within `timeout` seconds at first, and print, for ever. */
  async run(timeout) {
    await this.#begin(clock() + timeout);
    for (;;) {
      try {
        await this.#follow();
      } catch (error) {
        if (!(error instanceof LostError)) {
          throw error;
        }
        this.#printer.trouble("stale", null, error.message);
        await this.#joinAgain();
      }
    }
  }

  // --- joining

  async #begin(until) {
    for (;;) {
      try {
        this.#joined(await this.#link.join(this.#topics));
        for (const missing of await this.#look(this.#shards)) {
          note(`${missing}; waiting for it`);
        }
        return;
      } catch (error) {
        if (!(error instanceof LostError)) {
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
    const epoch = this.#link.epoch;
    const totals = await this.#rejoined();
    if (this.#link.epoch !== epoch) {
      this.#printer.trouble("restart", null, `${this.#link.node} was started again`);
      this.#counts = newCounts();
      this.#fields.forgetAll();
      this.#joined(totals);
      this.#doubt(ALL, 0);
    } else {
      this.#printer.trouble("again", null, "the daemon is heard again");
      this.#joined(totals);
      this.#cutWhereNoTotalTells(0);
    }
  }

  async #rejoined() {
    await pause(0, SPREAD);
    for (;;) {
      try {
        return await this.#link.join(this.#topics);
      } catch (error) {
        if (!(error instanceof LostError || error instanceof FailedError)) {
          throw error;
        }
        await pause(SPREAD / 2, SPREAD); // that all is stale was told
      }
    }
  }

  #joined(totals) {
    this.#heardAt = clock();
    this.#doubtful = undefined;
    this.#compare(totals);
  }

  // --- following

  /** Take messages until the connection is lost. */
  async #follow() {
    for (;;) {
      const silentAt = this.#heardAt + this.#link.patience;
      const doubts = this.#doubtful !== undefined;
      const frames = await this.#link.receive(doubts ? Math.min(silentAt, this.#lookAt) : silentAt);
      if (frames !== undefined) {
        this.#heardAt = clock();
        this.#take(frames);
      } else if (clock() >= silentAt) {
        throw new LostError(`no heartbeat for ${(clock() - this.#heardAt).toFixed(1)} s`);
      }
      if (this.#doubtful !== undefined && clock() >= this.#lookAt) {
        await this.#lookAgain();
      }
    }
  }

  #take(frames) {
    let message;
    try {
      message = checked(decodeMessage(frames));
    } catch (error) {
      if (!(error instanceof FailedError)) {
        throw error;
      }
      note(`a message of the bus could not be read: ${error.message}`); // so it is missing
      return;
    }
    const { topic, kind, name, body } = message;
    const [, node, epoch, seq, time] = message.header;
    if (epoch !== this.#link.epoch) {
      throw new LostError(`another daemon, or one that started again: ${node}`);
    }
    if (kind === "hb") {
      this.#link.interval = body.interval;
      this.#compare(body);
    } else if (topic === this.#link.fence) {
      this.#compare(body); // ZeroMQ made the connection anew
      this.#cutWhereNoTotalTells();
    } else if (kind === "delta") {
      this.#takeDelta(name, seq, time, body);
    } else if (kind === "event") {
      this.#takeEvent(name, seq, body);
    }
  }

  #takeDelta(shard, revision, time, delta) {
    const known = delta.base === 0 ? undefined : this.#fields.revision(shard);
    const missing = this.#counts.delta.saw(shard, revision, known);
    if (missing < 0 || !this.#ofInterest(shard)) {
      return;
    }
    if (missing) {
      this.#gap("delta", shard);
    }
    if (this.#doubtful === undefined || (this.#doubtful !== ALL && !this.#doubtful.has(shard))) {
      for (const change of this.#fields.apply(shard, revision, delta)) {
        this.#printer.change(shard, revision, time, change);
      }
    }
  }

  #takeEvent(shard, seq, body) {
    const missing = this.#counts.event.saw(shard, seq);
    const removed = body.type === "removed";
    if (removed) {
      Object.values(this.#counts).forEach((count) => count.forget(shard));
    }
    if (missing < 0 || !this.#ofInterest(shard)) {
      return;
    }
    if (missing) {
      this.#gap("event", shard);
    }
    const event = Object.fromEntries(EVENT_KEYS.map((key) => [key, body[key]]));
    const labels = body.labels ?? undefined; // of the types added and labels_changed
    this.#printer.event(labels === undefined ? event : { ...event, labels });
    if (removed) {
      this.#fields.forget(shard);
    }
  }

  #ofInterest(shard) {
    return !this.#shards.length || this.#shards.includes(shard);
  }

  // --- gaps

  /** Compare what came with what the daemon published, where all of it should have come. */
  #compare(totals) {
    if (this.#all && this.#link.whole) {
      const published = { delta: totals.revisions, event: totals.events };
      for (const kind of KINDS.filter((one) => this.#counts[one].differs(published[one]))) {
        this.#gap(kind, ALL);
      }
    }
  }

  /** After a cut messages of any shard may be missing. */
  #cutWhereNoTotalTells(wait) {
    if (!(this.#all && this.#link.whole)) {
      KINDS.forEach((kind) => this.#gap(kind, ALL, wait));
    }
  }

  #gap(kind, shard, wait = Math.random() * SPREAD) {
    if (shard === ALL) {
      this.#counts[kind].forgetAll();
    }
    if (kind === "event") {
      const hint = "events were lost; `events` of the daemon has them";
      this.#printer.trouble("gap", shard, hint);
    } else {
      this.#printer.trouble("gap", shard, "changes were lost; what they came to follows");
      this.#doubt(shard, wait);
    }
  }

  /** Ask for a shard, or for ALL, in a moment: others may want to ask at once. */
  #doubt(shard, wait) {
    if (this.#doubtful === undefined) {
      this.#lookAt = clock() + wait;
      this.#doubtful = new Set();
    }
    if (shard === ALL) {
      this.#doubtful = ALL;
    } else if (this.#doubtful !== ALL) {
      this.#doubtful.add(shard);
    }
  }

  async #lookAgain() {
    try {
      await this.#look(this.#doubtful === ALL ? this.#shards : [...this.#doubtful].sort());
    } catch (error) {
      if (!(error instanceof FailedError)) {
        throw error;
      }
      this.#fields.forgetAll(); // the stream goes on; old values come with it
      note(`the daemon's cache could not be read: ${error.message}`);
    }
    this.#doubtful = undefined;
  }

  /** Compare with the daemon's cache; returns why shards are not in it. */
  async #look(shards) {
    const missing = [];
    for await (const entry of this.#link.entries({ ...this.#args, shard_ids: shards })) {
      const { meta, ...fields } = entry;
      if (meta.error !== undefined) {
        missing.push(meta.error);
        continue;
      }
      const { shard_identifier: shard, revision, time } = meta;
      for (const change of this.#fields.look(shard, revision, fields)) {
        this.#printer.change(shard, revision, time, change);
      }
    }
    return missing;
  }
}

function newCounts() {
  return { delta: new Count(), event: new Count() };
}

/** Back off before the next try to join, each client for another time: not all at once. */
function pause(shortest, longest) {
  return sleep(1000 * (shortest + Math.random() * (longest - shortest)));
}

// What the body of each kind of message must hold.
const NEEDED = {
  hb: ["interval", "revisions", "events"],
  fence: ["revisions", "events"],
  delta: ["set", "unset", "base"],
  event: EVENT_KEYS,
};

/** Return a message whose body is what it should be, or throw a FailedError. */
function checked(message) {
  const { kind, body } = message;
  const lacks = (NEEDED[kind] ?? []).filter((key) => !isMap(body) || !Object.hasOwn(body, key));
  if (lacks.length || (kind === "delta" && !(isMap(body.set) && Array.isArray(body.unset)))) {
    throw new FailedError(`the body of ${kind} lacks ${lacks.join(", ") || "fields"}`);
  }
  return message;
}
