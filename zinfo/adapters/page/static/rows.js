// One shard at one moment; the same names and rules as in zinfo/views/rows.py.

import { roleText } from "./formatting.js";

export const STALE = "stale";

const ANSWERING = new Set(["up", "loading"]); // states in which the newest INFO is current
const LATE_INTERVALS = 3; // an INFO older than so many polling intervals is late
const LATE_SECONDS = 4; // and not before this age

export class Row {
  // `facts`: any of the names below. `since` and `age` are seconds.
  constructor(facts = {}) {
    Object.assign(
      this,
      {
        shard: "",
        labels: {},
        state: "new",
        reason: "",
        error: "",
        fresh: true,
        role: null,
        version: null,
        since: null,
        interval: null,
        age: Infinity,
        revision: 0,
        info: {},
        rates: {},
      },
      facts,
    );
  }

  get shown_state() {
    return this.fresh ? this.state : STALE;
  }

  // The role for people; "" where it is unknown.
  get shown_role() {
    return this.role ? roleText(this.role) : "";
  }

  get status() {
    if (!this.fresh) return STALE;
    return this.reason ? `${this.state}: ${this.reason}` : this.state;
  }

  // Whether the numbers describe the present.
  get current() {
    return this.fresh && ANSWERING.has(this.state);
  }

  // Whether the newest INFO is much older than the polling interval.
  get late() {
    const limit = Math.max(LATE_SECONDS, LATE_INTERVALS * (this.interval ?? 0));
    return limit < this.age && this.age < Infinity;
  }
}
