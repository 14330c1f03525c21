// The newest values of all shards, as the messages of the stream bring them.

import { RESET_MARKERS, rates } from "./counters.js";
import { splitPath } from "./expressions.js";
import { Row, STALE } from "./rows.js";

const MAX_EVENTS = 1000;
const FACTS = ["labels", "state", "reason", "error", "role", "version", "interval", "revision"];

export class Store {
  // `isCounter`: returns whether a field, or an item of it, counts. `clock`: returns seconds that only grow.
  constructor({ isCounter = () => true, clock = () => performance.now() / 1000 } = {}) {
    Object.assign(this, { isCounter, clock });
    this.rows = new Map(); // by id
    this.events = []; // the newest last
    this.feed = { fresh: false, problem: "", daemons: "", missing: [], ever: false, staleAt: clock() };
    this.ratePaths = [];
    this.counted = []; // fields from which rates are computed
    this.version = 0; // grows with each change
    this.numbers = new Map(); // rows by the number that the stream gives them
    this.epoch = null;
    this.wall = { time: 0, at: 0 }; // the daemon's clock in the newest message, and ours
  }

  // The daemon's wall clock now, in seconds.
  now() {
    return this.wall.time + this.clock() - this.wall.at;
  }

  // Seconds for which the data has not been current; 0 while it is.
  staleSeconds() {
    return this.feed.fresh ? 0 : this.clock() - this.feed.staleAt;
  }

  // Sets the counters whose rates are computed: paths, `FIELD` or `FIELD.KEY`.
  wantRates(paths) {
    this.ratePaths = [...paths].filter((path) => this.isCounter(...splitPath(path)));
    this.counted = [...new Set([...this.ratePaths.map((path) => splitPath(path)[0]), ...RESET_MARKERS])];
  }

  // Applies a message of the stream.
  apply(message) {
    this.wall = { time: message.time, at: this.clock() };
    if (message.reset) this.reset(message.epoch);
    for (const [number, facts] of Object.entries(message.shards ?? {})) this.setFacts(Number(number), facts);
    for (const number of message.gone ?? []) this.remove(number);
    this.setColumns(message.columns ?? {});
    this.setTimes(message.times ?? { at: [], values: [] });
    this.former = null;
    if (message.events?.length) this.events = [...this.events, ...message.events].slice(-MAX_EVENTS);
    this.setFeed({
      fresh: message.fresh !== false,
      problem: message.problem ?? "",
      daemons: message.daemons ?? "",
      missing: message.missing ?? [],
    });
    this.tick();
  }

  // Notes that the connection to the server was lost.
  lose(problem) {
    this.setFeed({ ...this.feed, fresh: false, problem });
    this.tick();
  }

  // Sets what time changes: the age of each INFO, and how long each state has lasted.
  tick() {
    this.version += 1;
    const now = this.now();
    for (const row of this.rows.values()) {
      row.age = row.time === null ? Infinity : Math.max(0, now - row.time);
      row.since = row.began === null ? null : Math.max(0, now - row.began);
      row.fresh = this.feed.fresh && row.state !== STALE;
    }
  }

  setFeed(feed) {
    const staleAt = this.feed.fresh && !feed.fresh ? this.clock() : this.feed.staleAt;
    this.feed = { ...feed, staleAt, ever: this.feed.ever || feed.fresh };
  }

  // A reset brings all values again. Those of the same run of the daemon are compared with the
  // former ones, so that other columns do not cost all rates.
  reset(epoch) {
    const same = epoch === this.epoch;
    this.former = new Map();
    if (same) for (const [id, row] of this.rows) this.former.set(id, row);
    this.epoch = epoch;
    this.rows = new Map();
    this.numbers = new Map();
    this.events = [];
  }

  setFacts(number, facts) {
    let row = this.numbers.get(number);
    if (!row) {
      row = new Row({ shard: facts.id, time: null, began: null, old: null, line: null });
      const former = this.former?.get(facts.id);
      if (former) {
        row.old = { time: former.time, info: former.info };
        row.rates = former.rates;
      }
      this.numbers.set(number, row);
      this.rows.set(row.shard, row);
    }
    for (const name of FACTS) if (name in facts) row[name] = facts[name];
    if ("since" in facts) row.began = facts.since;
  }

  remove(number) {
    const row = this.numbers.get(number);
    if (!row) return;
    this.numbers.delete(number);
    if (this.rows.get(row.shard) === row) this.rows.delete(row.shard);
  }

  setColumns(columns) {
    for (const [field, { at, values }] of Object.entries(columns)) {
      if (field === "__proto__") continue;
      for (let index = 0; index < at.length; index += 1) {
        const row = this.numbers.get(at[index]);
        if (!row) continue;
        // The former values are needed for rates, until those of this message are complete.
        row.old ??= { time: row.time, info: this.countedIn(row.info) };
        if (values[index] === null) delete row.info[field];
        else row.info[field] = values[index];
      }
    }
  }

  countedIn(info) {
    const found = {};
    for (const field of this.counted) if (field in info) found[field] = info[field];
    return found;
  }

  setTimes({ at, values }) {
    for (let index = 0; index < at.length; index += 1) {
      const row = this.numbers.get(at[index]);
      if (!row) continue;
      const old = row.old ?? { time: row.time, info: row.info };
      const time = values[index] > 0 ? values[index] : null; // a shard without INFO has none
      if (time !== null && old.time !== null && time !== old.time) {
        row.rates = rates(old.info, row.info, time - old.time, this.ratePaths);
      }
      row.time = time;
      row.old = null;
    }
    // A value of an INFO whose time has not changed: of a field that was not read before.
    for (const row of this.numbers.values()) row.old = null;
  }
}
