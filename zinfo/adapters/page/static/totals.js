// The line above the table: how many shards are in which state, and totals of those shown.

import { element, setText } from "./dom.js";
import { NOTHING, countText, memoryText, ratioText } from "./formatting.js";

const ORDER = ["up", "loading", "busy", "down", "new", "stale"];

export class TotalsLine {
  constructor() {
    this.states = element("span", { className: "states" });
    this.items = new Map();
    this.element = element("div", { className: "totals", "aria-label": "Totals of the shards shown", role: "group" }, this.states);
  }

  // `totals` as grouping.js computes them. `fresh`: whether the data is current.
  update(totals, fresh) {
    const states = ORDER.filter((state) => totals.states[state]);
    this.set("shards", "shards", countText(totals.shards));
    for (const state of ORDER) {
      this.set(`state ${state}`, state, states.includes(state) ? countText(totals.states[state]) : "");
    }
    const { values } = totals;
    const known = (value, format) => (fresh || value !== null ? format(value) : NOTHING);
    this.set("ops", "ops/s", known(values.ops, countText));
    this.set("memory", "memory", known(values.memory, memoryText));
    this.set("replicas", "replicas' memory", totals.replicaMemory ? memoryText(totals.replicaMemory) : "");
    this.set("keys", "keys", known(values.keys, countText));
    this.set("clients", "clients", known(values.clients, countText));
    this.set("hits", "hits", known(values.hits, ratioText));
  }

  set(name, label, text) {
    let item = this.items.get(name);
    if (!item) {
      const value = element("b");
      const made = element("span", { className: `total ${name}` }, value, ` ${label}`);
      item = { made, value };
      this.items.set(name, item);
      (name.startsWith("state") || name === "shards" ? this.states : this.element).append(made);
    }
    item.made.hidden = text === "";
    setText(item.value, text);
  }
}
