// The view of all shards: totals, and a table to filter, sort and group.

import { showExactValues } from "./cells.js";
import { ColumnsDialog } from "./columns_dialog.js";
import { savedSets } from "./column_sets.js";
import { fittingColumns, narrowColumns, parseColumns, widthOf } from "./columns.js";
import { element, setText } from "./dom.js";
import { Grid } from "./grid.js";
import { groupRows, groupingFields } from "./grouping.js";
import { GroupChoice } from "./group_choice.js";
import { KnownNames } from "./known_names.js";
import { Folding, groupLines, plainLines } from "./lines.js";
import { NameColumn } from "./name_column.js";
import { Ordering } from "./ordering.js";
import { Recent } from "./recent.js";
import { SearchBox } from "./search_box.js";
import { copyId, drawLine } from "./table_lines.js";
import { tableKeys } from "./table_keys.js";
import { NARROW } from "./narrow.js";
import { TotalsLine } from "./totals.js";
import { TOTALLED, totalsOf } from "./totals_of.js";

const DEFAULT_SORT = "id";
const INDENT = 3; // characters, of the rows of a group
const STILL = 1500; // ms after the pointer moved for which rows stay where they are

export function open(container, parts, context) {
  return new TableView(container, parts, context);
}

class TableView {
  constructor(container, parts, context) {
    this.context = context;
    this.ordering = new Ordering();
    this.folding = new Folding();
    this.known = new KnownNames(context);
    this.groups = [];
    this.build(container);
    this.names = new NameColumn();
    this.recent = new Recent({
      api: context.api,
      store: context.store,
      names: () => this.columns.filter((one) => one.spark).map((one) => one.quantity.series),
      quantityOf: (series) => this.columns.find((one) => one.quantity.series === series)?.quantity,
      onChange: () => { this.setColumns(); this.grid.render(); },
    });
    this.recent.available = context.definitions.allows("history");
    NARROW.addEventListener("change", this.onNarrow = () => this.change(this.parts));
    this.keys = tableKeys(this, context);
    this.change(parts);
  }

  build(container) {
    const { quantities, go, definitions } = this.context;
    this.totals = new TotalsLine();
    this.box = new SearchBox({ quantities, go, onFilter: () => this.changed() });
    this.box.onLeave = () => this.grid.keys.focus();
    this.choice = new GroupChoice((group) => go({ group }));
    this.columnsButton = element("button", { type: "button" }, "Columns");
    this.columnsButton.addEventListener("click", () => this.chooseColumns());
    this.dialog = new ColumnsDialog({
      quantities, sets: definitions.columnSets,
      knownFields: () => this.known.fields(),
      onChange: (columns) => go({ columns }, { replace: true }),
    });
    this.count = element("p", { className: "count" });
    this.empty = element("p", { className: "empty" });
    container.append(
      element("h2", { className: "unseen" }, "Shards"),
      element("div", { className: "toolbar" }, this.box.element, this.count, this.choice.element, this.columnsButton),
      this.totals.element,
    );
    this.grid = new Grid(container, {
      label: "Shards",
      drawRow: (row, line) => drawLine(this, row, line),
      onOpen: (line) => go({ shard: line.row.shard }),
      onToggle: (line) => this.toggle(line),
      onSort: (name) => this.sortBy(name),
      onRange: () => this.resized(),
    });
    this.grid.element.addEventListener("copy", (event) => copyId(this.grid, event));
    this.grid.body.addEventListener("pointermove", () => { this.movedAt = performance.now(); }, { passive: true });
    this.grid.scroller.addEventListener("scroll", () => this.showRecent(), { passive: true });
    showExactValues(this.grid.element);
    container.append(this.empty);
  }

  resized() {
    if (!this.parts) return; // it is being made
    if (this.characters !== this.grid.characters()) this.change(this.parts);
    this.showRecent();
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

  // Takes the state of the view from the address.
  change(parts) {
    this.parts = parts;
    this.characters = this.grid.characters();
    const { quantities, definitions } = this.context;
    const sets = [...definitions.columnSets, ...savedSets()];
    const { columns, problem } = parseColumns(parts.columns, quantities, sets);
    const known = columns.length ? columns : parseColumns("", quantities, sets).columns;
    const name = parts.sort.replace(/^-/, "");
    const quantity = (name && quantities.find(name)) || quantities.get(DEFAULT_SORT);
    this.sort = { name: quantity.name, quantity, reverse: parts.sort.startsWith("-") };
    this.chosen = parts.columns ? known : fittingColumns(known, this.grid.characters(), this.known.longest);
    this.columns = NARROW.matches ? narrowColumns(known, this.sort.name) : this.chosen;
    this.group = this.choice.set(parts.group);
    this.columnProblem = problem;
    this.box.set(parts.filter);
    this.movedAt = -Infinity;
    this.changed();
    this.checkFilter();
  }

  changed() {
    if (!this.columns) return; // it is being made
    this.setColumns();
    this.want();
    this.redraw();
  }

  setColumns() {
    const narrow = NARROW.matches;
    const { falling } = this.sort.quantity;
    const direction = falling !== this.sort.reverse ? "descending" : "ascending";
    this.grid.setColumns(this.columns.map((one) => ({
      name: one.name,
      heading: one.quantity.heading,
      title: one.quantity.help,
      right: one.right,
      width: widthOf(one, { sparks: !narrow && this.recent.available, narrow }),
      sort: one.name === this.sort.name ? direction : "",
    })));
  }

  want() {
    const { quantities } = this.context;
    const used = [
      ...this.columns.map((one) => one.quantity), this.sort.quantity, ...this.box.filter.used,
      ...TOTALLED.map((name) => quantities.get(name)),
    ];
    const others = used.map((one) => one.otherwise && quantities.find(one.otherwise)).filter(Boolean);
    this.context.want([...used, ...others, ...groupingFields(this.group).map((field) => quantities.get(field))]);
  }

  // Draws the table again though the data has not changed.
  redraw() {
    this.drawn = null;
    this.update();
  }

  update() {
    const { store } = this.context;
    if (this.drawn === store.version) return;
    this.drawn = store.version;
    this.select();
    this.rows = this.order(this.selected);
    const lines = this.group ? this.grouped() : plainLines(this.rows);
    this.context.setOrder(this.group ? lines.filter((line) => line.row).map((line) => line.row) : this.rows);
    this.grid.setLines(lines, Boolean(this.group));
    this.showCount(this.rows.length, store.rows.size);
    this.showNames();
    this.showRecent();
  }

  // Selects the rows and computes their totals, where the data or the filter has changed.
  select() {
    const { store, quantities } = this.context;
    if (this.seen?.version === store.version && this.seen.filter === this.box.filter) return;
    this.seen = { version: store.version, filter: this.box.filter };
    this.recent.extend();
    this.selected = this.box.filter.select([...store.rows.values()]);
    this.totals.update(totalsOf(this.selected, quantities));
    this.shortenNames();
  }

  shortenNames() {
    const at = this.columns.findIndex((one) => one.name === "id");
    if (at < 0) return;
    const ids = [...this.context.store.rows.keys()];
    this.names.use(ids, this.grid.charactersOf(at) - (this.group ? INDENT : 0));
  }

  // Rows do not change places under a pointer that moves.
  order(rows) {
    const { quantity, reverse } = this.sort;
    const still = this.rows && performance.now() - this.movedAt < STILL;
    if (!still) return this.ordering.sort(rows, quantity, reverse);
    const places = new Map(this.rows.map((row, at) => [row.shard, at]));
    return [...rows].sort((one, other) => (places.get(one.shard) ?? Infinity) - (places.get(other.shard) ?? Infinity) || 0);
  }

  grouped() {
    const { quantities, store } = this.context;
    const everything = this.ordering.sort([...store.rows.values()], quantities.get("id"));
    this.groups = groupRows(this.rows, this.group, {
      everything, sort: this.sort.name, reverse: this.sort.reverse, quantities,
    });
    if (this.groups.length) this.folding.start(this.group, this.groups);
    return groupLines(this.groups, this.folding);
  }

  showNames() {
    if (!this.known.refresh()) return;
    this.choice.setLabels(this.known.labels);
    this.change(this.parts); // the ids may need more room, or less
    this.checkFilter();
  }

  async checkFilter() {
    if (!this.box.filter.names.length || !this.known.shards) return;
    const fields = await this.known.fields();
    this.box.check({ fields: new Set(fields), labels: new Set(this.known.labels) });
  }

  showCount(shown, all) {
    const { store } = this.context;
    const text = this.parts.filter ? `${shown} of ${all} shown` : `${all} shards`;
    setText(this.count, store.feed.ever ? text : "");
    const none = all ? `${text}: no shard matches the filter.` : "There are no shards.";
    setText(this.empty, shown ? "" : store.feed.ever ? none : "The shards are being read.");
    if (this.announced !== text && store.feed.ever) this.context.announce(text);
    this.announced = text;
  }

  showRecent() {
    if (NARROW.matches || !this.rows) return;
    const [first, last] = this.grid.visible();
    this.recent.show(this.grid.lines.slice(first, last).filter((line) => line.row).map((line) => line.row));
  }

  toggle(line) {
    this.folding.toggle(line.group.key);
    this.redraw();
  }

  foldAll(open) {
    this.folding.setAll(this.groups, open);
    this.redraw();
  }

  sortBy(name) {
    const reverse = name === this.sort.name && !this.sort.reverse;
    this.context.go({ sort: `${reverse ? "-" : ""}${name}` }, { replace: true });
  }

  sortBeside(by) {
    const at = this.chosen.findIndex((one) => one.name === this.sort.name);
    const next = this.chosen[(at + by + this.chosen.length) % this.chosen.length];
    this.context.go({ sort: next.name }, { replace: true });
  }

  chooseColumns() {
    this.dialog.show(this.chosen, this.known.labels);
  }
}
