// What the server defines once for all views (`view.json`): quantities, problems, sets of columns,
// parts of a shard's page. This module gives it the form in which the page uses it.

import { Quantities } from "./quantities.js";

export class Definitions {
  // `json`: the content of view.json. Further parts of it stay available as `json`.
  constructor(json) {
    this.json = json;
    this.quantities = new Quantities(json);
    this.columnSets = json.column_sets ?? [];
    this.problems = json.problems ?? { severities: [], shards: [], daemon: [] };
    this.grammar = json.filter?.grammar ?? [];
    this.groupings = json.groupings ?? [];
    this.maxFields = json.max_keys ?? 64;
    this.counters = new Set(json.counters?.fields ?? []);
    this.itemCounters = Object.entries(json.counters?.maps ?? {});
    this.operations = json.operations ? new Set(json.operations) : null;
  }

  // Returns whether a field counts, or the item `key` of a field that is a map: its growth is a rate.
  isCounter(field, key = "") {
    return this.counters.has(field)
      || this.itemCounters.some(([prefix, keys]) => field.startsWith(prefix) && (!key || keys.includes(key)));
  }

  // Returns whether this client may call an operation.
  allows(operation) {
    return this.operations === null || this.operations.has(operation);
  }
}
