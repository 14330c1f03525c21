// Messages to frames and back, as docs/reference/protocol.md describes. No I/O.
//
// Integers beyond the safe range of JavaScript numbers are BigInts.

import { decode, encode } from "@msgpack/msgpack";

import { FailedError, RefusedError } from "./errors.js";
import { isMap } from "./values.js";

const MAGIC = "ZI1"; // first frame of a request and of a reply; the digit is the protocol version
const FENCE = "~fence/"; // prefix of the topics of fences

/** Decode msgpack. */
export function unpack(data) {
  let value;
  try {
    value = decode(data, { useBigInt64: true });
  } catch (error) {
    throw new FailedError(`received data is not msgpack: ${error.message}`);
  }
  return narrowed(value);
}

/** Return a value as msgpack. */
export function pack(value) {
  return encode(widened(value), { useBigInt64: true });
}

// The decoder returns a BigInt for every 64-bit integer, even a small one.
function narrowed(value) {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  return mapped(value, narrowed);
}

// The encoder would send a number beyond 32 bits as a float.
function widened(value) {
  if (Number.isInteger(value) && (value > 0xffffffff || value < -0x80000000)) {
    return BigInt(value);
  }
  return mapped(value, widened);
}

function mapped(value, change) {
  if (Array.isArray(value)) {
    return value.map(change);
  }
  if (value !== null && typeof value === "object" && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, change(item)]));
  }
  return value;
}

/**
 * Return the frames of a request; a Request socket adds the envelope.
 *
 * @param {{op: string, args: object, id?: any, deadline?: number}} request deadline in seconds
 */
export function encodeRequest({ op, args, id = null, deadline }) {
  const request = { id, op, args };
  if (deadline !== undefined) {
    request.deadline = deadline;
  }
  return [Buffer.from(MAGIC), pack(request)];
}

/** Return header and body of a reply; throw a RefusedError for an error reply. */
export function decodeReply(frames) {
  if (frames.length < 2 || frames[0].toString() !== MAGIC) {
    throw new FailedError("the reply is not one of zinfo's protocol, version 1");
  }
  const header = unpack(frames[1]);
  if (!isMap(header) || typeof header.ok !== "boolean") {
    throw new FailedError("the reply has no valid header");
  }
  if (!header.ok) {
    throw new RefusedError(isMap(header.error) ? header.error : {});
  }
  return { header, body: frames.length > 2 ? unpack(frames[2]) : null };
}

/** Return an id percent-encoded for a topic. */
export function quoteName(name) {
  return Array.from(Buffer.from(name), (byte) => {
    const letter = String.fromCharCode(byte);
    return /[A-Za-z0-9._:@-]/.test(letter)
      ? letter
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

/** Return the topic of a shard or node, or the prefix of all topics of a kind. */
export function makeTopic(kind, name = null) {
  return name === null ? `z1/${kind}/` : `z1/${kind}/${quoteName(name)}/`;
}

/** Return the topic of a fence. */
export function fenceTopic(nonce) {
  return FENCE + nonce;
}

/**
 * Return kind, name, header and body of a bus message.
 *
 * The name is the id of a shard, for a heartbeat the node, for a fence its nonce. The header is
 * [version, node, epoch, seq, time]; items that a later version may append are dropped.
 */
export function decodeMessage(frames) {
  if (frames.length !== 3) {
    throw new FailedError(`a bus message has 3 frames, not ${frames.length}`);
  }
  const topic = frames[0].toString();
  const header = unpack(frames[1]);
  const body = unpack(frames[2]);
  if (!Array.isArray(header) || header.length < 5 || header[0] !== 1) {
    throw new FailedError("a header is [1, node, epoch, seq, time]");
  }
  const fence = topic.startsWith(FENCE);
  const parts = topic.split("/");
  if (!fence && (parts.length !== 4 || parts[0] !== "z1" || parts[3] !== "")) {
    throw new FailedError("a topic is z1/KIND/NAME/");
  }
  return {
    topic,
    kind: fence ? "fence" : parts[1],
    name: unquoted(fence ? topic.slice(FENCE.length) : parts[2]),
    header: header.slice(0, 5),
    body,
  };
}

function unquoted(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new FailedError("a name in a topic is percent-encoded UTF-8");
  }
}
