// Finds the problems of all shards once for each change of the data, for the head of every view and
// for the view of problems.

import { Problems } from "./problems.js";

const LEAST_FIELDS = ["ops", "memory"]; // read in any case, so that every view has a stream

export class ProblemWatch {
  constructor(definitions, store) {
    this.store = store;
    this.problems = new Problems(definitions.problems, definitions.quantities);
    this.used = [...this.problems.used, ...LEAST_FIELDS.map((name) => definitions.quantities.get(name))];
    this.version = null;
    this.found = [];
  }

  // Returns the problems as they are now.
  now() {
    if (this.version !== this.store.version) {
      this.version = this.store.version;
      const { rows, events } = this.store;
      this.found = this.problems.find([...rows.values()], events, this.store.now());
    }
    return this.found;
  }

  counts() {
    return this.problems.count(this.now());
  }
}
