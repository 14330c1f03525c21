// Detects missing bus messages. No I/O.
//
// With BigInts: sequence numbers may be larger than a JavaScript number can represent.

/**
 * Detects missing messages of one kind: the sequence numbers of each shard are consecutive, and
 * heartbeats have the total number of messages.
 */
export class GapDetector {
  #last = new Map();
  #accounted = 0n; // messages since the last total, both received and known to be missing
  #total;

  /**
   * Record a received message.
   *
   * @param {string} shard id of its shard
   * @param {number|bigint} seq its sequence number
   * @param {number|bigint} known sequence number up to which the state is known from the cache
   * @returns {number} the number of messages missing before it; -1 if it is a duplicate or old
   */
  record(shard, seq, known) {
    const number = BigInt(seq);
    const last = this.#last.get(shard);
    if (last !== undefined && number <= last) {
      return -1;
    }
    const before = last ?? (known === undefined ? number - 1n : BigInt(known));
    const missing = number > before ? number - before - 1n : 0n;
    this.#last.set(shard, number);
    this.#accounted += 1n + missing;
    return Number(missing);
  }

  /** Forget a removed shard: if it is added again, its numbers do not continue these. */
  forget(shard) {
    this.#last.delete(shard);
  }

  /** Forget all shards: the next message of each is taken as its first. */
  forgetAll() {
    this.#last.clear();
  }

  /** Return whether the total grew by another number than that of accounted messages. */
  totalDiffers(total) {
    const [before, accounted] = [this.#total, this.#accounted];
    [this.#total, this.#accounted] = [BigInt(total), 0n];
    return before !== undefined && this.#total - before !== accounted;
  }
}
