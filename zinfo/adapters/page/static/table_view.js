// The view of all shards: totals, and a table to filter, sort and group.

import { drawGroup, drawShard, showExactValues } from "./cells.js";
import { parseColumns, widthOf } from "./columns.js";
import { element, setText } from "./dom.js";
import { Grid } from "./grid.js";
import { Ordering } from "./ordering.js";
import { Recent } from "./recent.js";
import { SearchBox, knownNames } from "./search_box.js";
import { TotalsLine } from "./totals.js";
import { totalsOf } from "./totals_of.js";

const DEFAULT_SORT = "id";
const DEFAULT_COLUMNS = "id,state,role,version,ops,memory,full,hits,clients,keys,interval,age";
const TOTALLED = ["ops", "memory", "keys", "clients", "hits"];
const NARROW = matchMedia("(max-width: 480px)");

export function open(container, parts, context) {
  return new TableView(container, parts, context);
}

class TableView {
  constructor(container, parts, context) {
    Object.assign(this, { container, context });
    const { quantities, go } = context;
    this.ordering = new Ordering();
    this.totals = new TotalsLine();
    this.box = new SearchBox({ quantities, go, onFilter: () => this.changed() });
    this.box.onLeave = () => this.grid.keys.focus();
    this.count = element("p", { className: "count" });
    this.empty = element("p", { className: "empty" });
    container.append(
      element("h2", { className: "unseen" }, "Shards"),
      element("div", { className: "toolbar" }, this.box.element, this.count),
      this.totals.element,
    );
    this.grid = new Grid(container, {
      label: "Shards",
      drawRow: (row, line) => this.draw(row, line),
      onOpen: (line) => go({ shard: line.row.shard }),
      onToggle: () => {},
      onSort: (name) => this.sortBy(name),
      onRange: () => this.changed(),
    });
    this.grid.element.addEventListener("copy", (event) => this.copy(event));
    showExactValues(this.grid.element);
    container.append(this.empty);
    this.recent = new Recent({
      api: context.api, store: context.store,
      names: () => this.columns.map((one) => one.quantity.series).filter(Boolean),
      quantityOf: (series) => this.columns.find((one) => one.quantity.series === series)?.quantity,
      onChange: () => this.grid.render(),
    });
    this.grid.scroller.addEventListener("scroll", () => this.showRecent(), { passive: true });
    NARROW.addEventListener("change", this.onNarrow = () => this.change(this.parts));
    this.keys = this.makeKeys();
    this.change(parts);
  }

  makeKeys() {
    return [
      { key: "ArrowDown", text: "", keys: ["ArrowUp", "PageDown", "PageUp", "Home", "End", "j", "k"], run: (event) => this.enter(event), help: "move; also ↑, Page Up, Page Down, Home, End" },
      { key: "Enter", text: "open", run: () => this.grid.keys.focus() },
      { key: "<", text: "", help: "sort by the column on the left", run: () => this.sortBeside(-1) },
      { key: ">", text: "sort", help: "sort by the column on the right", run: () => this.sortBeside(1) },
      { key: "r", text: "reverse", run: () => this.sortBy(this.sort.name) },
      { key: "Escape", text: "clear filter", run: () => this.context.go({ filter: "" }), shown: () => Boolean(this.parts?.filter) },
    ];
  }

  close() {
    this.grid.close();
    this.recent.close();
    NARROW.removeEventListener("change", this.onNarrow);
  }

  search() {
    this.box.input.focus();
    this.box.input.select();
  }

  enter(event) {
    this.grid.keys.focus();
    if (event.key === "j" || event.key === "k") {
      this.grid.keys.go(this.grid.keys.index + (event.key === "j" ? 1 : -1), this.grid.keys.column);
    }
  }

  // Takes the state of the view from the address.
  change(parts) {
    this.parts = parts;
    const { quantities, definitions } = this.context;
    const { columns, problem } = parseColumns(parts.columns || DEFAULT_COLUMNS, quantities, definitions.columnSets);
    const name = parts.sort.replace(/^-/, "");
    this.sort = { name, reverse: parts.sort.startsWith("-"), quantity: quantities.find(name) };
    if (!name || !this.sort.quantity) this.sort = { name: DEFAULT_SORT, reverse: false, quantity: quantities.get(DEFAULT_SORT) };
    this.columns = NARROW.matches ? this.narrow(columns) : columns;
    this.columnProblem = problem;
    this.box.set(parts.filter);
    this.changed();
  }

  // A phone has room for state, name and one number: the one that the table is sorted by.
  narrow(columns) {
    const number = columns.find((one) => one.name === this.sort.name && one.right) ?? columns.find((one) => one.right);
    return ["state", "id"].map((name) => columns.find((one) => one.name === name)).concat(number).filter(Boolean);
  }

  changed() {
    if (!this.recent) return; // it is being made
    this.setColumns();
    this.want();
    this.update();
  }

  setColumns() {
    const narrow = NARROW.matches;
    this.grid.setColumns(this.columns.map((one) => ({
      name: one.name,
      heading: one.quantity.heading,
      title: one.quantity.help,
      right: one.right,
      width: widthOf(one, { sparks: !narrow && this.recent.available, narrow }),
      sort: one.name === this.sort.name ? this.direction() : "",
    })));
  }

  direction() {
    return this.sort.quantity.falling !== this.sort.reverse ? "descending" : "ascending";
  }

  want() {
    const { quantities } = this.context;
    const used = [
      ...this.columns.map((one) => one.quantity), this.sort.quantity, ...this.box.filter.used,
      ...TOTALLED.map((name) => quantities.find(name)).filter(Boolean),
    ];
    const overall = used.map((one) => one.otherwise && quantities.find(one.otherwise)).filter(Boolean);
    this.context.want([...used, ...overall]);
  }

  update() {
    const { store, quantities } = this.context;
    this.recent.extend();
    const all = [...store.rows.values()];
    const rows = this.ordering.sort(this.box.filter.select(all), this.sort.quantity, this.sort.reverse);
    this.rows = rows;
    this.context.setOrder(rows.map((row) => row.shard));
    this.totals.update(totalsOf(rows, TOTALLED.map((name) => quantities.find(name)).filter(Boolean)), store.feed.fresh);
    this.grid.setLines(rows.map((row) => ({ key: row.shard, row })));
    this.showCount(rows.length, all.length);
    if (store.feed.ever) this.box.check(knownNames(store));
    this.showRecent();
  }

  showCount(shown, all) {
    const text = this.parts.filter ? `${shown} of ${all} shown` : `${all} shards`;
    const { store } = this.context;
    setText(this.count, store.feed.ever ? text : "");
    setText(this.empty, shown || !store.feed.ever ? (store.feed.ever ? "" : "The shards are being read.")
      : all ? `${text}: no shard matches the filter.` : "The daemon has no shards.");
    if (this.announced !== text && store.feed.ever) this.context.announce(text);
    this.announced = text;
  }

  showRecent() {
    if (NARROW.matches || !this.rows) return;
    const [first, last] = this.grid.visible();
    this.recent.show(this.rows.slice(first, last));
  }

  draw(row, line) {
    const { href } = this.context;
    const { shard, labels } = line.row;
    const title = [shard, ...Object.entries(labels).map(([name, text]) => `${name}=${text}`)].join("\n");
    drawShard(
      row, line.row, this.columns, { text: shard, href: href({ shard }), title },
      NARROW.matches ? null : (series, one) => this.recent.of(series, one),
    );
  }

  sortBy(name) {
    const same = name === this.sort.name;
    const reverse = same && !this.sort.reverse;
    this.context.go({ sort: `${reverse ? "-" : ""}${name}` }, { replace: true });
  }

  sortBeside(by) {
    const at = this.columns.findIndex((one) => one.name === this.sort.name);
    const next = this.columns[(at + by + this.columns.length) % this.columns.length];
    this.context.go({ sort: next.name }, { replace: true });
  }

  // A copied name is the whole id, also where it is shown shortened.
  copy(event) {
    const line = this.grid.lines[this.grid.keys.index];
    if (!document.getSelection().isCollapsed || !line?.row) return;
    event.clipboardData.setData("text/plain", line.row.shard);
    event.preventDefault();
  }
}
