// From deltas to single changes of fields, old value to new. No I/O.

import { same } from "./values.js";

/** An old value that was never received. */
export const UNKNOWN = Symbol("unknown");

/** The newest known values of the selected fields. */
export class Fields {
  // For each shard: revision, fields, and whether these are complete. If they are not, a missing
  // field may exist on the server.
  #shards = new Map();
  #keys;
  #prefix;

  /**
   * @param {string[]} keys names of the fields; empty for all
   * @param {boolean} prefix whether the keys are prefixes of names
   */
  constructor(keys, prefix) {
    this.#keys = keys;
    this.#prefix = prefix;
  }

  /** Return whether a field is selected. */
  wants(field) {
    if (this.#prefix) {
      return this.#keys.some((key) => field.startsWith(key));
    }
    return !this.#keys.length || this.#keys.includes(field);
  }

  /** Return the known revision of a shard, or undefined. */
  revision(shard) {
    return this.#shards.get(shard)?.revision;
  }

  /**
   * Replace the fields of a shard by the selected fields of the daemon's cache.
   *
   * @returns {object[]} changes, each with field, old and new; none for a shard that was unknown
   */
  replace(shard, revision, found) {
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

  /** Apply a delta; returns the changes of selected fields, as `replace` does. */
  apply(shard, revision, { set, unset, base }) {
    let known = this.#shards.get(shard);
    if (known && revision <= known.revision) {
      return [];
    }
    const nothing = { fields: new Map(), complete: base === 0 };
    if (!known || (base !== 0 && known.revision !== base)) {
      known = nothing;
    }
    // A delta without a base has all fields: the others no longer exist.
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

  /** Remove a shard. */
  forget(shard) {
    this.#shards.delete(shard);
  }

  /** Remove all shards. */
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
