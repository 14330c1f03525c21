// The view of problems, the worst first: what is wrong, with which shard, since when, and what to do.

import { element, setText } from "./dom.js";
import { DAEMON, secondsText } from "./formatting.js";
import { Grid } from "./grid.js";
import { write } from "./cells.js";
import { NameColumn } from "./name_column.js";
import { NARROW } from "./narrow.js";
import { SearchBox } from "./search_box.js";

const MARKS = { critical: "✖", warning: "▲", info: "ℹ" };
const COLUMNS = [
  { name: "severity", heading: "severity", title: "how bad it is", width: "12ch" },
  { name: "problem", heading: "problem", title: "what is wrong", width: "28ch" },
  { name: "shard", heading: "shard", title: "id of the shard", width: "minmax(24ch, 1.2fr)" },
  { name: "since", heading: "since", title: "for how long", width: "8ch", right: true },
  { name: "detail", heading: "detail", title: "the value, and what to do", width: "minmax(30ch, 2fr)" },
];

export function open(container, parts, context) {
  return new ProblemsView(container, parts, context);
}

class ProblemsView {
  constructor(container, parts, context) {
    this.context = context;
    this.names = new NameColumn();
    const { quantities, go } = context;
    this.box = new SearchBox({ quantities, go, onFilter: () => this.changed() });
    this.box.onLeave = () => this.grid.keys.focus();
    this.summary = element("p", { className: "count" });
    this.empty = element("p", { className: "empty" });
    container.append(
      element("h2", { className: "unseen" }, "Problems"),
      element("div", { className: "toolbar" }, this.box.element, this.summary),
    );
    this.grid = new Grid(container, {
      label: "Problems",
      drawRow: (row, line) => this.draw(row, line),
      onOpen: ({ problem }) => go(problem.row ? { shard: problem.row.shard, view: "" } : { view: "events" }),
      onToggle: () => {},
      onSort: null,
    });
    container.append(this.empty);
    this.keys = [
      { key: "ArrowDown", text: "", keys: ["ArrowUp", "PageDown", "PageUp", "Home", "End", "j", "k"], help: "move", run: () => this.grid.keys.focus() },
      { key: "Enter", text: "open the shard", run: () => this.grid.keys.focus() },
      { key: "Escape", text: "shards", run: () => go({ view: "" }) },
    ];
    this.change(parts);
  }

  close() {
    this.grid.close();
  }

  search() {
    this.box.input.focus();
    this.box.input.select();
  }

  change(parts) {
    this.box.set(parts.filter);
    this.changed();
  }

  changed() {
    if (!this.grid) return; // it is being made
    this.context.want(this.box.filter.used);
    this.update();
  }

  update() {
    const { store, problems, definitions } = this.context;
    this.columns = NARROW.matches ? [COLUMNS[0], COLUMNS[2], COLUMNS[1]] : COLUMNS;
    this.grid.setColumns(NARROW.matches ? this.columns.map(narrowed) : this.columns);
    const all = problems.now();
    const rows = new Set(this.box.filter.select([...new Set(all.map((one) => one.row))].filter(Boolean)));
    const shown = all.filter((one) => (one.row ? rows.has(one.row) : this.box.filter.empty));
    const at = this.columns.findIndex((one) => one.name === "shard");
    this.names.use([...store.rows.keys()], this.grid.charactersOf(at));
    this.grid.setLines(shown.map((problem) => ({ key: `${problem.kind.name} ${problem.row?.shard ?? problem.detail}`, problem })));
    const counts = problems.problems.count(shown).filter(([, number]) => number).map(([severity, number]) => `${number} ${severity}`);
    setText(this.summary, counts.join(", "));
    setText(this.empty, shown.length ? "" : emptyText(store, all.length, definitions.problems.shards.length));
  }

  draw(row, { problem }) {
    const { kind, row: shard, detail, since } = problem;
    const name = `row finding ${kind.severity}${row.index % 2 ? " odd" : ""}`;
    if (row.element.className !== name) row.element.className = name;
    const texts = {
      severity: `${MARKS[kind.severity] ?? ""} ${NARROW.matches ? "" : kind.severity}`,
      problem: NARROW.matches ? [kind.title, detail].filter(Boolean).join(": ") : kind.title,
      since: since === null ? "" : secondsText(since),
    };
    this.columns.forEach((column, at) => {
      const cell = row.cells[at];
      if (column.name === "shard") this.drawLink(cell, shard);
      else if (column.name === "detail") this.drawDetail(cell, detail, kind.action);
      else write(cell, texts[column.name]);
    });
  }

  drawDetail(cell, detail, action) {
    if (!cell.firstElementChild) cell.append(element("span"), " ", element("span", { className: "action" }));
    write(cell.firstElementChild, detail);
    write(cell.lastElementChild, action);
    const title = `${detail}\n${action}`;
    if (cell.title !== title) cell.title = title;
  }

  drawLink(cell, shard) {
    if (!cell.firstElementChild) cell.append(element("a", { tabIndex: -1 }));
    const link = cell.firstElementChild;
    write(link, shard ? this.names.text(shard.shard) : DAEMON);
    link.title = shard ? shard.shard : "zinfo itself";
    const href = this.context.href(shard ? { shard: shard.shard, view: "" } : { view: "events" });
    if (link.getAttribute("href") !== href) link.setAttribute("href", href);
  }
}

const narrowed = (one) => (one.name === "severity" ? { ...one, heading: "!", width: "4ch" } : { ...one, width: "minmax(0, 1fr)" });

function emptyText({ feed }, all, kinds) {
  if (!feed.ever) return "The shards are being read.";
  if (!feed.fresh) return "The data is stale: what is wrong now is not known.";
  if (!kinds) return "This server does not look for problems.";
  return all ? `0 of ${all} problems shown` : "No problems.";
}
