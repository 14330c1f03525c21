// A part of a shard's page: single values of one shard or of two, and tables.

import { element, setAttribute, setText } from "./dom.js";
import { exactValue, humanValue } from "./exact.js";
import { valueText } from "./formatting.js";
import { MapTable } from "./map_table.js";

const HIGHLIGHT = 3; // seconds for which a value that changed is highlighted

export class ShardPart {
  // `part`: its definition in view.json. `count`: of shards, 1 or 2.
  constructor(part, context, count) {
    this.context = context;
    const id = `part-${part.title.toLowerCase().replace(/\W/g, "")}`;
    this.items = part.items.map(({ label, quantity }) => new ItemLine(label, context.quantities.get(quantity), count, part.static));
    this.peers = part.peers ? element("p", { className: "peers" }) : null;
    this.tables = !part.table ? [] : Array.from({ length: count }, (_, at) => (
      new MapTable(part.table, `${part.title}, table${count > 1 ? ` of shard ${"AB"[at]}` : ""}`)
    ));
    const head = count > 1 ? element("thead", {}, element("tr", {}, element("td"), ...[..."AB"].map((text) => element("th", { scope: "col" }, text)))) : null;
    this.body = element("tbody", {}, ...this.items.map((one) => one.element));
    this.values = element("table", { className: "values" }, head, this.body);
    this.element = element(
      "section", { className: `part${part.table ? " has-table" : ""}${part.static ? " static" : ""}`, "aria-labelledby": id },
      element("h3", { id }, part.title), this.peers, this.values,
      ...this.tables.flatMap((one, at) => (count > 1 ? [element("p", { className: "note" }, `Shard ${"AB"[at]}`), one.element] : [one.element])),
    );
  }

  // Returns the number of values and lines that are shown.
  //
  // `rows`: of the shards, null for one that is not watched. `options`: `{search, exact, now, sinceChange}`.
  update(rows, options) {
    const shown = this.items.filter((one) => one.update(rows, options)).length;
    const lines = this.tables.map((one, at) => one.update(rows[at], options)).reduce((sum, one) => sum + one, 0);
    this.values.hidden = !shown;
    this.element.hidden = !shown && !lines && !this.peers?.hasChildNodes();
    return shown + lines;
  }

  // Shows links to other shards: pairs of a word and `{text, href}`.
  setPeers(peers) {
    if (!this.peers) return;
    const shown = JSON.stringify(peers);
    if (this.shownPeers === shown) return;
    this.shownPeers = shown;
    this.peers.replaceChildren(...peers.flatMap(([word, { text, href }], at) => [
      `${at ? "  " : ""}${word} `, href ? element("a", { href }, text) : element("span", {}, text),
    ]));
  }
}

// A line with the value of one quantity, of each shard.
class ItemLine {
  // `plain`: whether numbers are no amounts, such as ports.
  constructor(label, quantity, count, plain) {
    this.plain = plain && quantity.unit === "number";
    Object.assign(this, { label, quantity });
    this.cells = Array.from({ length: count }, () => element("td"));
    this.element = element("tr", {}, element("th", { scope: "row", title: `${quantity.name}: ${quantity.help}` }, label), ...this.cells);
    this.text = `${label} ${quantity.name}`.toLowerCase();
  }

  update(rows, { search, exact, now, sinceChange }) {
    const { quantity } = this;
    const values = rows.map((row) => (row ? quantity.value(row) : null));
    const exacts = values.map((value) => (this.plain ? valueText(value) : exactValue(value, quantity.unit)));
    const texts = exact || this.plain ? exacts : values.map((value) => humanValue(value, quantity.unit, now));
    const unlike = exacts.length > 1 && exacts[0] !== exacts[1];
    this.cells.forEach((cell, at) => {
      setText(cell, texts[at]);
      setAttribute(cell, "title", exacts[at]);
      const recent = quantity.fields.some((field) => sinceChange[at]?.(field) < HIGHLIGHT);
      const name = [recent ? "changed" : "", unlike ? "unlike" : ""].filter(Boolean).join(" ");
      if (cell.className !== name) cell.className = name;
    });
    const known = values.some((value) => value !== null && value !== "");
    const found = !search || `${this.text} ${texts.join(" ").toLowerCase()}`.includes(search);
    this.element.hidden = !known || !found;
    return known && found;
  }
}
