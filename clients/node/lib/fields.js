// From deltas to single changes of fields, old value to new. Pure.

import { same } from "./values.js";

/** An old value that was not seen. */
export const UNKNOWN = Symbol("unknown");

/** The newest known values of the fields of interest. */
export class Fields {
  // Of each shard: revision, fields, and whether a field that is not there is known not to be.
  #shards = new Map();
  #keys;
  #prefix;

  /**
   * @param {string[]} keys names of the fields; empty for all
   * @param {boolean} prefix whether the keys are beginnings of names
   */
  constructor(keys, prefix) {
    this.#keys = keys;
    this.#prefix = prefix;
  }

  /** Return whether a field is of interest. */
  wants(field) {
    if (this.#prefix) {
      return this.#keys.some((key) => field.startsWith(key));
    }
    return !this.#keys.length || this.#keys.includes(field);
  }

  /** Return the revision of what is known of a shard; undefined where nothing is. */
  revision(shard) {
    return this.#shards.get(shard)?.revision;
  }

  /**
   * Take what the daemon's cache holds of a shard, the fields of interest only.
   *
   * @returns {object[]} what has changed since something was known: field, old and new of each
   */
  look(shard, revision, found) {
    const fields = new Map(Object.entries(found));
    const known = this.#shards.get(shard);
    if (known && known.revision >= revision) {
      return [];
    }
    this.#shards.set(shard, { revision, fields, complete: true });
    if (!known) {
      return [];
    }
    const now = new Map([...known.fields.keys()].map((name) => [name, fields.get(name) ?? null]));
    if (known.complete) {
      fields.forEach((value, name) => now.set(name, value));
    }
    return differences(known, now);
  }

  /** Take a delta; returns the changes of the fields of interest, as `look` does. */
  apply(shard, revision, { set, unset, base }) {
    let known = this.#shards.get(shard);
    if (known && revision <= known.revision) {
      return [];
    }
    const nothing = { fields: new Map(), complete: base === 0 };
    if (!known || (base !== 0 && known.revision !== base)) {
      known = nothing;
    }
    // Without a base this is all there is: what is not in it is gone.
    const gone = base === 0 ? [...known.fields.keys()] : [];
    const changed = [
      ...gone.map((name) => [name, null]),
      ...Object.entries(set),
      ...unset.map((name) => [name, null]),
    ];
    const wanted = new Map(changed.filter(([name]) => this.wants(name)));
    const changes = differences(known, wanted);
    for (const [name, value] of wanted) {
      if (value === null) {
        known.fields.delete(name);
      } else {
        known.fields.set(name, value);
      }
    }
    this.#shards.set(shard, { ...known, revision });
    return changes;
  }

  /** Forget what is known of a shard. */
  forget(shard) {
    this.#shards.delete(shard);
  }

  /** Forget what is known of all shards. */
  forgetAll() {
    this.#shards.clear();
  }
}

function differences(known, now) {
  const missing = known.complete ? null : UNKNOWN;
  return [...now]
    .map(([field, value]) => ({
      field,
      old: known.fields.has(field) ? known.fields.get(field) : missing,
      new: value,
    }))
    .filter((change) => !same(change.old, change.new));
}
