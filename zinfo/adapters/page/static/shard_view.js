// The view of one shard, or of two side by side: state, plots, the parts of INFO, and events.

import { element, setText } from "./dom.js";
import { OtherFields } from "./other_fields.js";
import { FIELDS, Peers } from "./peers.js";
import { Plot, PlotCursor } from "./plot.js";
import { SearchText } from "./search_text.js";
import { ShardData } from "./shard_data.js";
import { ShardEvents } from "./shard_events.js";
import { ShardHead } from "./shard_head.js";
import { ShardPart } from "./shard_part.js";

const MOST_IDS = 2000; // offered for a comparison

export function open(container, parts, context) {
  return new ShardView(container, parts, context);
}

class ShardView {
  constructor(container, parts, context) {
    this.container = container;
    this.context = context;
    this.exact = false;
    this.datas = [];
    this.keys = [
      { key: "Escape", text: "back", run: () => this.leave() },
      { key: "x", text: "exact values", run: () => this.toggleExact() },
      { key: "[", text: "previous", run: () => this.step(-1), shown: () => this.neighbours().length > 1 },
      { key: "]", text: "next", run: () => this.step(1), shown: () => this.neighbours().length > 1 },
      { key: "=", text: "compare", run: () => this.compare.focus() },
    ];
    this.change(parts);
  }

  // Shows the shards of the address.
  change(parts) {
    const shards = [parts.shard, ...(parts.with && parts.with !== parts.shard ? [parts.with] : [])];
    if (JSON.stringify(shards) === JSON.stringify(this.shards)) return;
    this.stop();
    this.shards = shards;
    document.title = `${shards.join(" and ")} - zinfo`;
    this.datas = shards.map((shard) => new ShardData(shard, this.context, () => this.update()));
    this.build();
    this.context.want(FIELDS.map((field) => this.context.quantities.get(field)));
  }

  build() {
    const { definitions, quantities, announce } = this.context;
    const count = this.shards.length;
    this.heads = this.shards.map((_, at) => new ShardHead(this.context, count > 1 ? "AB"[at] : ""));
    this.cursor = new PlotCursor(announce);
    this.plots = [...quantities.builtIn.values()].filter((one) => one.series).map((one) => new Plot(one, this.cursor));
    this.cursor.plots = this.plots;
    this.parts = definitions.json.shard_page.map((part) => new ShardPart(part, this.context, count));
    this.others = new OtherFields(this.context, count);
    this.events = new ShardEvents(count);
    this.box = new SearchText("Search in fields", () => this.update());
    this.count = element("p", { className: "count", role: "status" });
    this.box.element.append(this.count);
    this.none = element("p", { className: "empty" });
    this.compare = this.compareBox();
    this.container.replaceChildren(
      element("div", { className: `shard-heads heads-${count}` }, ...this.heads.map((one) => one.element)),
      element("div", { className: "toolbar" }, this.box.element, this.exactButton(), this.compare),
      element("section", { className: "plots", "aria-label": "Plots of the last minutes" }, ...this.plots.map((one) => one.element)),
      element(
        "div", { className: "columns" },
        element("div", { className: "parts" }, ...this.parts.map((one) => one.element), this.others.element, this.none),
        this.events.element,
      ),
    );
  }

  exactButton() {
    this.exactToggle = element("button", { type: "button", "aria-pressed": "false" }, "Exact values");
    this.exactToggle.addEventListener("click", () => this.toggleExact());
    return this.exactToggle;
  }

  // A box that takes the id of another shard, which is shown beside this one.
  compareBox() {
    const list = element("datalist", { id: "compare-ids" });
    const box = element("input", {
      type: "text", placeholder: "Compare with shard", "aria-label": "Compare with shard", autocomplete: "off",
      spellcheck: false, className: "compare", value: this.shards[1] ?? "",
    });
    box.setAttribute("list", "compare-ids");
    box.addEventListener("focus", () => {
      const ids = this.context.order().map((one) => one.shard ?? one).filter((id) => id !== this.shards[0]);
      list.replaceChildren(...ids.slice(0, MOST_IDS).map((id) => element("option", { value: id })));
    });
    box.addEventListener("change", () => {
      const wanted = box.value.trim();
      if (wanted && !this.context.store.rows.has(wanted)) {
        box.setCustomValidity(`There is no shard ${wanted}.`);
        box.reportValidity();
        return;
      }
      box.setCustomValidity("");
      this.context.go({ with: wanted });
    });
    box.addEventListener("input", () => box.setCustomValidity(""));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      box.blur();
    });
    const wrapped = element("span", { className: "compare" }, box, list);
    wrapped.focus = () => box.focus();
    return wrapped;
  }

  stop() {
    for (const one of this.datas) one.close();
    for (const one of this.plots ?? []) one.close();
  }

  close() {
    this.stop();
    document.title = "zinfo";
  }

  // --- drawing

  update() {
    if (!this.parts) return; // it is being made
    const { store } = this.context;
    const rows = this.datas.map((one) => one.row);
    this.container.classList.toggle("dead", rows.every((row) => !row?.current));
    this.heads.forEach((head, at) => head.update(this.shards[at], rows[at], this.datas[at].problem));
    this.plots.forEach((plot) => this.showPlot(plot, rows));
    const options = {
      search: this.box.text, exact: this.exact, now: store.now(),
      sinceChange: this.datas.map((one) => (field) => one.sinceChange(field)),
    };
    this.showPeers(rows[0]);
    let shown = 0;
    for (const part of this.parts) shown += part.update(rows, options);
    shown += this.others.update(rows, (field) => this.isUsed(field), options);
    setText(this.count, options.search ? `${shown} found` : "");
    const read = rows.some((row) => row && this.datas.some((one) => one.info));
    setText(this.none, !read && rows[0] ? "There is no INFO of this shard yet." : "");
    this.events.update(this.datas.map((one) => one.events), this.shards);
  }

  showPlot(plot, rows) {
    const { series } = plot.quantity;
    const shown = this.datas
      .map(({ history }, place) => history && { ...history, values: history.fields[series] ?? [], place })
      .filter((one) => one?.values.length);
    const present = rows.map((row) => (row ? plot.text(plot.quantity.value(row)) : ""));
    // A number that the shard never had, such as the lag of a primary, needs no plot.
    plot.element.hidden = !shown.some(({ values }) => values.some((one) => (series === "evicted" ? one : one !== null)));
    if (!plot.element.hidden) plot.show(shown, present);
  }

  // Returns whether a part shows a field.
  isUsed(field) {
    this.used ??= usedFields(this.context);
    return this.used.fields.has(field) || this.used.prefixes.some(({ prefix, numbered }) => (
      field.startsWith(prefix) && (!numbered || /^[0-9]+$/.test(field.slice(prefix.length)))
    ));
  }

  showPeers(row) {
    const { store, href } = this.context;
    const found = [];
    if (row) {
      const peers = new Peers(store.rows.values());
      const primary = peers.primary(row);
      if (primary) found.push(["primary", primary]);
      for (const { shard, address } of peers.replicas(row.info)) found.push(["replica", shard || address]);
    }
    const links = found.map(([word, text]) => [
      word, { text, href: store.rows.has(text) ? href({ shard: text, with: "" }) : "" },
    ]);
    for (const part of this.parts) part.setPeers(links);
  }

  // --- keys

  search() {
    this.box.focus();
  }

  toggleExact() {
    this.exact = !this.exact;
    this.exactToggle.setAttribute("aria-pressed", String(this.exact));
    this.update();
  }

  leave() {
    if (this.shards.length > 1) this.context.go({ with: "" });
    else this.context.go({ shard: "", with: "" });
  }

  neighbours() {
    return this.context.order().map((one) => one.shard ?? one);
  }

  step(by) {
    const ids = this.neighbours();
    const at = ids.indexOf(this.shards[0]);
    this.context.go({ shard: ids[(Math.max(at, 0) + by + ids.length) % ids.length] }, { replace: true });
  }
}

// Returns the field whose own value an expression has; "" for one that is computed.
function fieldOf([name, operand]) {
  if (name === "value") return operand;
  return name === "known" || name === "percent" ? fieldOf(operand) : "";
}

function usedFields({ definitions, quantities }) {
  const fields = new Set();
  const prefixes = [];
  for (const part of definitions.json.shard_page) {
    for (const { quantity } of part.items) fields.add(fieldOf(quantities.get(quantity).expression));
    for (const { prefix } of part.table?.columns ?? []) prefixes.push({ prefix, numbered: part.table.numbered });
  }
  return { fields, prefixes };
}
