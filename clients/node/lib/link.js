// The way to a daemon: its bus, and questions beside it.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import zmq from "zeromq";

import { FailedError, LostError } from "./errors.js";
import { note } from "./printing.js";
import { connect, Daemon } from "./sockets.js";
import { isMap } from "./values.js";
import { decodeMessage, fenceTopic } from "./wire.js";

const HEARTBEATS = 3; // so many that do not come make all stale
const FENCE_TIME = 1.5; // seconds that a fence may take at least, where heartbeats are quicker
const QUEUE = 10_000; // messages that ZeroMQ holds before some are dropped
const MOMENT = 50; // milliseconds; this process itself may have been held up

/** Return seconds by a clock that does not jump with the wall clock. */
export function clock() {
  return performance.now() / 1000;
}

/** Say which topics the daemon does not let this client have; throws where none is left. */
function lookAtRefused(refused, topics) {
  if (!refused.length) {
    return;
  }
  const said = `the daemon does not let this client have ${refused.join(", ")} from the bus`;
  if (topics.every((topic) => topic.startsWith("z1/hb/") || refused.includes(topic))) {
    throw new FailedError(said);
  }
  note(said);
}

/**
 * Joins a daemon's bus. Attributes: `epoch` and `node` of the daemon, `interval` between its
 * heartbeats in seconds, `whole` (whether this client is told of all shards, so that totals can be
 * compared), `fence` (the topic that says that the subscriptions stand).
 */
export class Link {
  #daemon;
  #bus;
  #queue = []; // messages that came, oldest first
  #wake = () => {};

  /** Arguments as those of Daemon. */
  constructor(endpoint, timeout, keys) {
    this.#daemon = new Daemon(endpoint, timeout, keys);
    this.epoch = undefined;
    this.node = "";
    this.interval = 1;
    this.whole = true;
    this.fence = "";
  }

  /** Seconds without any message after which all is stale. */
  get patience() {
    return HEARTBEATS * this.interval;
  }

  /**
   * Ask where the bus is, and subscribe to topics; returns the daemon's totals of that moment.
   *
   * Throws a LostError where the bus does not answer, and what Daemon throws.
   */
  async join(topics) {
    this.close();
    const { header, body: hello } = await this.#daemon.ask("hello");
    const bus = isMap(hello) && Array.isArray(hello.bus) ? hello.bus[0] : undefined;
    if (bus === undefined || !hello.versions?.includes(1)) {
      throw new FailedError(`what answers at ${this.#daemon.endpoint} has no bus of version 1`);
    }
    this.epoch = header.epoch;
    this.node = hello.node ?? "";
    this.interval = hello.heartbeat ?? 1;
    this.whole = !hello.rights;
    this.fence = fenceTopic(randomBytes(8).toString("hex"));
    const where = reachable(bus, this.#daemon.endpoint);
    this.#listen(where, [...topics, this.fence]); // the fence comes last
    const until = clock() + Math.max(this.patience, FENCE_TIME);
    for (;;) {
      const frames = await this.receive(until);
      if (frames === undefined) {
        throw new LostError(`the bus at ${where} does not answer`);
      }
      if (frames[0].toString() === this.fence) {
        const message = decodeMessage(frames);
        if (message.header[2] !== this.epoch) {
          throw new LostError(`another daemon has the bus at ${where}`);
        }
        const totals = message.body;
        if (!isMap(totals) || !("revisions" in totals && "events" in totals)) {
          throw new LostError(`the bus at ${where} does not tell its totals`);
        }
        lookAtRefused(totals.refused ?? [], topics);
        return totals;
      }
    }
  }

  /** Return the next message of the bus; undefined where there is none at that time. */
  async receive(until) {
    for (let looked = false; !this.#queue.length; looked = true) {
      const left = (until - clock()) * 1000;
      if (left <= 0 && looked) {
        return undefined;
      }
      const stop = new AbortController();
      const woken = new Promise((resolve) => {
        this.#wake = resolve;
      });
      const waited = sleep(Math.max(left, MOMENT), undefined, { signal: stop.signal });
      await Promise.race([woken, waited.catch(() => {})]);
      stop.abort();
    }
    return this.#queue.shift();
  }

  /** Yield the entries of an answer to `get_infos`; what the bus brings meanwhile waits. */
  async *entries(args) {
    for await (const { header, entries } of this.#daemon.pages("get_infos", args)) {
      if (header.epoch !== this.epoch) {
        throw new LostError("another daemon, or one that started again");
      }
      yield* entries;
    }
  }

  /** Leave the bus. */
  close() {
    this.#bus?.close();
    this.#bus = undefined;
    this.#queue = [];
  }

  #listen(endpoint, topics) {
    let bus;
    try {
      bus = connect(zmq.Subscriber, endpoint, this.#daemon.keys, { receiveHighWaterMark: QUEUE });
    } catch (error) {
      throw new LostError(`the bus at ${endpoint} cannot be reached: ${error.message}`);
    }
    topics.forEach((topic) => bus.subscribe(topic));
    this.#bus = bus;
    this.#collect(bus);
  }

  async #collect(bus) {
    for await (const frames of bus) {
      if (bus !== this.#bus) {
        return;
      }
      this.#queue.push(frames);
      this.#wake();
    }
  }
}

/** Return the bus as seen from here: a daemon at all addresses may not know which one we use. */
function reachable(bus, query) {
  const there = /^tcp:\/\/(?:\*|0\.0\.0\.0|\[::\]|::):(\d+)$/.exec(bus);
  const here = /^tcp:\/\/(.+):\d+$/.exec(query);
  return there && here ? `tcp://${here[1]}:${there[1]}` : bus;
}
