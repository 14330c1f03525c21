// Counting what came on the bus, to know what did not. Pure.
//
// In BigInts: numbers of the wire may be larger than what a JavaScript number holds.

/** Counts messages of one kind: each shard's have no holes, and totals tell how many there were. */
export class Count {
  #last = new Map();
  #accounted = 0n; // since the last total: those that came, and those known to be missing
  #total;

  /**
   * Count a message.
   *
   * @param {string} shard whose
   * @param {number|bigint} seq its number
   * @param {number|bigint} known the number up to which all is known from elsewhere, if any is
   * @returns {number} how many are missing before it; -1 where it is old
   */
  saw(shard, seq, known) {
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

  /** The shard is gone; should it come back, it goes on at another number. */
  forget(shard) {
    this.#last.delete(shard);
  }

  /** Any may be missing: what comes next of a shard is its first. */
  forgetAll() {
    this.#last.clear();
  }

  /** Return whether the daemon's total grew by another number than that of what came. */
  differs(total) {
    const [before, accounted] = [this.#total, this.#accounted];
    [this.#total, this.#accounted] = [BigInt(total), 0n];
    return before !== undefined && this.#total - before !== accounted;
  }
}
