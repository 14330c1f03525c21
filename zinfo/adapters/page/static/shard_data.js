// All that is known of one shard: its whole INFO, the history of its numbers, and its events.

import { rates } from "./counters.js";
import { Row } from "./rows.js";

const INTERVAL = 1000; // ms between two requests for the INFO
const RETRY = 3000; // ms after a request that failed
const HISTORY_INTERVAL = 5000; // ms between two requests for the history
const MAX_POINTS = 181; // of a series that is made here, where the daemon has none
const MAX_EVENTS = 200;

export class ShardData {
  // `context`: that of the view. `onChange`: called after anything has changed.
  constructor(shard, context, onChange) {
    Object.assign(this, { shard, context, onChange });
    this.info = null; // the newest INFO, by field; null before the first
    this.rates = {};
    this.changedAt = new Map(); // by field, by the clock of the store
    this.problem = ""; // why the newest request failed
    this.history = null; // {step, newest, fields}; null while there is none
    this.events = [];
    this.own = context.definitions.allows("history") ? null : { newest: 0, fields: {} };
    this.aborter = new AbortController();
    this.revision = null;
    this.repeat(() => this.readInfo(), INTERVAL);
    if (!this.own) this.repeat(() => this.readHistory(), HISTORY_INTERVAL);
  }

  // The shard with its whole INFO; null where it is not watched.
  get row() {
    const found = this.context.store.rows.get(this.shard);
    if (!found) return null;
    const facts = Object.assign(new Row(), found);
    return this.info ? Object.assign(facts, { info: this.info, rates: this.rates }) : facts;
  }

  close() {
    this.aborter.abort();
    clearTimeout(this.timer);
  }

  // Calls `action` again and again, while the page is visible.
  async repeat(action, interval) {
    const { signal } = this.aborter;
    while (!signal.aborted) {
      let wait = interval;
      if (!document.hidden) {
        try {
          await action();
        } catch (error) {
          if (error.name === "AbortError") return;
          wait = RETRY;
        }
        if (!signal.aborted) this.onChange();
      }
      await new Promise((resolve) => { setTimeout(resolve, wait); });
    }
  }

  async readInfo() {
    const parameters = [["shard_ids", this.shard], ["allow_partial", "true"]];
    try {
      const { data } = await this.context.api.json("api/v1/infos", parameters, { signal: this.aborter.signal });
      const [{ meta, ...info }] = data;
      this.problem = "";
      if (!meta.error && meta.revision !== this.revision) this.take(info, meta);
      if (this.own) this.extend();
      await this.readEvents();
    } catch (error) {
      if (error.name !== "AbortError") this.problem = error.message;
      throw error;
    }
  }

  take(info, { revision, time }) {
    const { store, definitions } = this.context;
    if (this.info) {
      this.rates = rates(this.info, info, time - this.time, counterPaths(info, definitions), (field) => definitions.isCounter(field));
      for (const field of Object.keys(info)) {
        if (!isSame(this.info[field], info[field])) this.changedAt.set(field, store.clock());
      }
    }
    Object.assign(this, { info, revision, time });
  }

  // Returns the seconds since a field changed; Infinity where it has not since the page was opened.
  sinceChange(field) {
    return this.context.store.clock() - (this.changedAt.get(field) ?? -Infinity);
  }

  async readHistory() {
    const { api } = this.context;
    try {
      const { data } = await api.json("api/v1/history", [["shard_ids", this.shard]], { signal: this.aborter.signal });
      const fields = Object.entries(data.fields).map(([name, all]) => [name, all?.[0] ?? null]);
      this.history = { step: data.step, newest: data.newest, fields: Object.fromEntries(fields) };
    } catch (error) {
      if (![403, 404].includes(error.status)) throw error;
      this.own ??= { newest: 0, fields: {} }; // an older daemon
    }
  }

  // Adds the present values to the series, for a daemon that has no history.
  extend() {
    const { store, definitions } = this.context;
    const [now, step] = [store.now(), HISTORY_INTERVAL / 1000];
    if (now < this.own.newest + step) return;
    const gap = this.own.newest ? Math.min(MAX_POINTS, Math.round((now - this.own.newest) / step) - 1) : 0;
    this.own.newest = now;
    for (const quantity of definitions.quantities.builtIn.values()) {
      if (!quantity.series) continue;
      const value = this.row?.current ? quantity.value(this.row) : null;
      const values = [...(this.own.fields[quantity.series] ?? []), ...Array(gap).fill(null), value];
      this.own.fields[quantity.series] = values.slice(-MAX_POINTS);
    }
    this.history = { step, ...this.own };
  }

  // Reads the events of this shard at first, and again where the stream had a new one.
  async readEvents() {
    const { store, api, definitions } = this.context;
    if (!definitions.allows("events")) return;
    const newest = store.events.findLast((event) => event.shard === this.shard)?.number ?? 0;
    if (this.newestEvent === newest) return;
    const { data } = await api.json("api/v1/events", [["ids", this.shard]], { signal: this.aborter.signal });
    this.newestEvent = newest;
    this.events = data.slice(-MAX_EVENTS);
  }
}

// Returns the paths of all counters in an INFO: `FIELD`, or `FIELD.KEY` for an item of a map.
function counterPaths(info, { counters, json }) {
  const maps = Object.entries(json.counters?.maps ?? {});
  return Object.keys(info).flatMap((field) => {
    if (counters.has(field)) return [field];
    const keys = maps.find(([prefix]) => field.startsWith(prefix))?.[1] ?? [];
    return keys.map((key) => `${field}.${key}`);
  });
}

const isSame = (one, other) => one === other || (typeof one === "object" && JSON.stringify(one) === JSON.stringify(other));
