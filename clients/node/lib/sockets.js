// Sockets that connect to a daemon, and questions on one of them.

import zmq from "zeromq";

import { FailedError, UsageError } from "./errors.js";
import { decodeReply, encodeRequest } from "./wire.js";

/** Return a socket of a class that connects to an endpoint; throws ZeroMQ's own errors. */
export function connect(kind, endpoint, keys, more = {}) {
  // Without linger 0 an unanswered request would keep the program.
  const socket = new kind({ linger: 0, ipv6: true, ...keys, ...more });
  try {
    socket.connect(endpoint);
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

/** A daemon, to be asked: each question over a socket of its own. */
export class Daemon {
  /**
   * @param {string} endpoint its query endpoint
   * @param {number} timeout seconds to wait for each answer
   * @param {object} keys by which both know each other; undefined where it asks for none
   */
  constructor(endpoint, timeout, keys) {
    this.endpoint = endpoint;
    this.keys = keys;
    this.timeout = timeout;
  }

  /** Return header and body of the answer to a question. */
  async ask(op, args = {}) {
    let socket;
    try {
      // Where the daemon has refused this client, a send without a limit would never end.
      const limit = Math.ceil(this.timeout * 1000);
      const limits = { sendTimeout: limit, receiveTimeout: limit };
      socket = connect(zmq.Request, this.endpoint, this.keys, limits);
    } catch (error) {
      throw new UsageError(`--connect ${this.endpoint}: ${error.message}`);
    }
    try {
      await socket.send(encodeRequest({ op, args, id: 1, deadline: this.timeout }));
      return decodeReply(await socket.receive());
    } catch (error) {
      throw error.code === "EAGAIN" ? new FailedError(this.nobody()) : error;
    } finally {
      socket.close();
    }
  }

  /** Yield header and entries of each page of an answer. */
  async *pages(op, args = {}) {
    for (let cursor; ; ) {
      const asked = cursor === undefined ? args : { ...args, cursor };
      const { header, body } = await this.ask(op, asked);
      if (!Array.isArray(body)) {
        throw new FailedError(`the answer to ${op} is no array`);
      }
      yield { header, entries: body };
      if (header.cursor === undefined) {
        return;
      }
      cursor = header.cursor;
    }
  }

  /** Return what to say, and to do, where nothing answers. */
  nobody() {
    const hint = this.keys
      ? "one that does not know this key does not answer"
      : "one that asks for keys needs --server-key and --client-key";
    return `nothing answers at ${this.endpoint}; does a daemon run there? (${hint})`;
  }
}
