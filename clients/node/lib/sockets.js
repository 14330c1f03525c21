// Sockets that connect to a daemon, and queries.

import zmq from "zeromq";

import { FailedError, UsageError } from "./errors.js";
import { decodeReply, encodeRequest } from "./wire.js";

/** Return a socket of a class that connects to an endpoint; throws ZeroMQ's errors. */
export function connect(kind, endpoint, keys, more = {}) {
  // Without linger 0, an unsent request would delay the exit.
  const socket = new kind({ linger: 0, ipv6: true, ...keys, ...more });
  try {
    socket.connect(endpoint);
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

/** A daemon that is queried, each query on a socket of its own. */
export class Daemon {
  /**
   * @param {string} endpoint its query endpoint
   * @param {number} timeout seconds to wait for each reply
   * @param {object} keys CURVE options of a socket; undefined if the daemon requires none
   */
  constructor(endpoint, timeout, keys) {
    this.endpoint = endpoint;
    this.keys = keys;
    this.timeout = timeout;
  }

  /** Send a request, and return header and body of the reply. */
  async request(op, args = {}) {
    let socket;
    try {
      // Without a limit, a send would never return if the daemon has closed the connection.
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
      throw error.code === "EAGAIN" ? new FailedError(this.noReply()) : error;
    } finally {
      socket.close();
    }
  }

  /** Yield header and entries of each page of a reply. */
  async *pages(op, args = {}) {
    for (let cursor; ; ) {
      const more = cursor === undefined ? args : { ...args, cursor };
      const { header, body } = await this.request(op, more);
      if (!Array.isArray(body)) {
        throw new FailedError(`the reply to ${op} is not an array`);
      }
      yield { header, entries: body };
      if (header.cursor === undefined) {
        return;
      }
      cursor = header.cursor;
    }
  }

  /** Return the message for a missing reply, with a hint. */
  noReply() {
    const hint = this.keys
      ? "a daemon does not answer a client whose key it does not know"
      : "if it requires keys, give --server-key and --client-key";
    return `nothing answers at ${this.endpoint}; is a daemon running there? (${hint})`;
  }
}
