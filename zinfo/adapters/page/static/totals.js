// The line above the table: how many shards are in which state, and totals of those shown.

import { element, setText } from "./dom.js";
import { countText, memoryText, ratioText } from "./formatting.js";

const ORDER = ["up", "loading", "busy", "down", "new", "stale"];

export class TotalsLine {
  constructor() {
    this.states = element("span", { className: "states" });
    this.items = new Map();
    this.element = element("div", { className: "totals", "aria-label": "Totals of the shards shown", role: "group" }, this.states);
  }

  // `totals`: as totals_of.js returns them.
  update(totals) {
    const states = ORDER.filter((state) => totals.states[state]);
    this.set("shards", "shards", countText(totals.shards));
    for (const state of ORDER) {
      this.set(`state ${state}`, state, states.includes(state) ? countText(totals.states[state]) : "");
    }
    // What is unknown is not shown as 0.
    this.set("ops", "ops/s", countText(totals.ops));
    this.set("memory", totals.replicas ? "in primaries" : "memory", memoryText(totals.memory));
    this.set("replicas", "in replicas", totals.replicas ? memoryText(totals.memory_replicas) : "");
    this.set("fullest", "fullest", totals.fullest === null ? "" : ratioText(totals.fullest), totals.fullest_shard);
    this.set("keys", "keys", countText(totals.keys));
    this.set("clients", "clients", countText(totals.clients));
    this.set("hits", "hits", ratioText(totals.hits));
  }

  set(name, label, text, title = "") {
    let item = this.items.get(name);
    if (!item) {
      const [value, word] = [element("b"), element("span")];
      const made = element("span", { className: `total ${name}` }, value, " ", word);
      item = { made, value, word };
      this.items.set(name, item);
      (name.startsWith("state") || name === "shards" ? this.states : this.element).append(made);
    }
    item.made.hidden = text === "";
    setText(item.value, text);
    setText(item.word, label);
    if (item.made.title !== title) item.made.title = title;
  }
}
