// The subscription to a daemon's bus, and queries beside it.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import zmq from "zeromq";

import { FailedError, StaleError } from "./errors.js";
import { note } from "./printing.js";
import { connect, Daemon } from "./sockets.js";
import { isMap } from "./values.js";
import { decodeMessage, fenceTopic } from "./wire.js";

const HEARTBEATS = 3; // missed heartbeats after which the stream is stale
const FENCE_TIME = 1.5; // shortest timeout for the fence in seconds
const QUEUE = 10_000; // receive high-water mark in messages; beyond it messages are dropped
const SHORTEST_WAIT = 50; // milliseconds; after a stop of this process, messages may just arrive

/** Return seconds of a monotonic clock. */
export function clock() {
  return performance.now() / 1000;
}

/** Print the topics that the daemon refuses; throw a FailedError if no other remains. */
function reportRefused(refused, topics) {
  if (!refused.length) {
    return;
  }
  const problem = `this client is not authorised to subscribe to ${refused.join(", ")}`;
  if (topics.every((topic) => topic.startsWith("z1/hb/") || refused.includes(topic))) {
    throw new FailedError(problem);
  }
  note(problem);
}

/**
 * The subscription to a daemon's bus. Attributes: `epoch` and `node` of the daemon, `interval`
 * between its heartbeats in seconds, `seesAll` (whether this client can see all shards, so that
 * totals can be compared), `fence` (topic of the message that confirms the subscriptions).
 */
export class BusSession {
  #daemon;
  #bus;
  #queue = []; // received messages, oldest first
  #wake = () => {};

  /** Takes the arguments of Daemon. */
  constructor(endpoint, timeout, keys) {
    this.#daemon = new Daemon(endpoint, timeout, keys);
    this.epoch = undefined;
    this.node = "";
    this.interval = 1;
    this.seesAll = true;
    this.fence = "";
  }

  /** Seconds without any message after which the stream is stale. */
  get staleAfter() {
    return HEARTBEATS * this.interval;
  }

  /**
   * Request the bus endpoint, and subscribe; returns the daemon's totals at that time.
   *
   * Throws a StaleError if the bus does not confirm the subscriptions, and the errors of Daemon.
   */
  async join(topics) {
    this.close();
    const { header, body: hello } = await this.#daemon.request("hello");
    const bus = isMap(hello) && Array.isArray(hello.bus) ? hello.bus[0] : undefined;
    if (bus === undefined || !hello.versions?.includes(1)) {
      throw new FailedError(`${this.#daemon.endpoint} has no bus of protocol version 1`);
    }
    this.epoch = header.epoch;
    this.node = hello.node ?? "";
    this.interval = hello.heartbeat ?? 1;
    this.seesAll = !hello.rights;
    this.fence = fenceTopic(randomBytes(8).toString("hex"));
    const where = reachable(bus, this.#daemon.endpoint);
    this.#subscribe(where, [...topics, this.fence]); // the fence must be last
    const until = clock() + Math.max(this.staleAfter, FENCE_TIME);
    for (;;) {
      const frames = await this.receive(until);
      if (frames === undefined) {
        throw new StaleError(`the bus at ${where} does not answer`);
      }
      if (frames[0].toString() === this.fence) {
        const message = decodeMessage(frames);
        if (message.header[2] !== this.epoch) {
          throw new StaleError(`another daemon has the bus at ${where}`);
        }
        const totals = message.body;
        if (!isMap(totals) || !("revisions" in totals && "events" in totals)) {
          throw new StaleError(`the bus at ${where} sends no totals`);
        }
        reportRefused(totals.refused ?? [], topics);
        return totals;
      }
    }
  }

  /** Return the next bus message; undefined if there is none until then. */
  async receive(until) {
    for (let waitedOnce = false; !this.#queue.length; waitedOnce = true) {
      const left = (until - clock()) * 1000;
      if (left <= 0 && waitedOnce) {
        return undefined;
      }
      const stop = new AbortController();
      const woken = new Promise((resolve) => {
        this.#wake = resolve;
      });
      const waited = sleep(Math.max(left, SHORTEST_WAIT), undefined, { signal: stop.signal });
      await Promise.race([woken, waited.catch(() => {})]);
      stop.abort();
    }
    return this.#queue.shift();
  }

  /** Yield the entries of a reply to `get_infos`; bus messages are queued meanwhile. */
  async *entries(args) {
    for await (const { header, entries } of this.#daemon.pages("get_infos", args)) {
      if (header.epoch !== this.epoch) {
        throw new StaleError("another daemon, or a restarted one");
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

  #subscribe(endpoint, topics) {
    let bus;
    try {
      bus = connect(zmq.Subscriber, endpoint, this.#daemon.keys, { receiveHighWaterMark: QUEUE });
    } catch (error) {
      throw new StaleError(`the bus at ${endpoint} cannot be reached: ${error.message}`);
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

/** Return the bus endpoint, with the query endpoint's host in place of a wildcard address. */
function reachable(bus, query) {
  const there = /^tcp:\/\/(?:\*|0\.0\.0\.0|\[::\]|::):(\d+)$/.exec(bus);
  const here = /^tcp:\/\/(.+):\d+$/.exec(query);
  return there && here ? `tcp://${here[1]}:${there[1]}` : bus;
}
