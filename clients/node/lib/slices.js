// Slices: which daemons poll a shard, where several share the shards. No I/O.
//
// The reply to `hello` has the number, count, copies and key (`by`) of a daemon's slice.

import { createHash } from "node:crypto";

const MULTIPLIER = 2862933555777941757n;
const MASK = (1n << 64n) - 1n;

/**
 * Return the key that decides the slices of a shard.
 *
 * @param {string} id id of the shard
 * @param {Object<string, string>} labels its labels
 * @param {string} by "id", or the name of a label
 * @returns {string} the value of the label; the id of a shard without it
 */
export function sliceKey(id, labels, by) {
  return by !== "id" && Object.hasOwn(labels, by) ? labels[by] : id;
}

/**
 * Return the numbers of the slices that have the shards with a key.
 *
 * @param {string} key the result of `sliceKey`
 * @param {number} count number of slices, at least 1
 * @param {number} copies number of different slices, 1 to `count`
 * @returns {number[]} the slice of the first copy, then those of the further ones
 */
export function slicesOf(key, count, copies = 1) {
  const chosen = [];
  for (let salt = 0; chosen.length < copies; salt++) {
    const number = jumpHash(keyHash(key, salt), count);
    if (!chosen.includes(number)) {
      chosen.push(number);
    }
  }
  return chosen;
}

/** Return the first 8 bytes, little-endian, of BLAKE2b-512 of `SALT:KEY`, as a BigInt. */
export function keyHash(key, salt) {
  return createHash("blake2b512").update(`${salt}:${key}`).digest().readBigUInt64LE();
}

/** Return the bucket of a 64-bit BigInt, 0 to `buckets` - 1, by jump consistent hash. */
export function jumpHash(hash, buckets) {
  let state = hash;
  let bucket = 0;
  let next = 0;
  while (next < buckets) {
    bucket = next;
    state = (state * MULTIPLIER + 1n) & MASK;
    next = Math.floor((bucket + 1) * (2 ** 31 / (Number(state >> 33n) + 1)));
  }
  return bucket;
}
