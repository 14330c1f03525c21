// A table of any number of lines of which only the visible ones are in the document, by the grid
// pattern of WAI-ARIA (treegrid where lines have levels): https://www.w3.org/WAI/ARIA/apg/patterns/grid/
//
// A line is an object with a `key` that identifies it, and `level`, `expanded`, `size` and
// `position` where lines are a tree. `drawRow(row, line)` fills the cells of a row.

import { element, oncePerFrame, setAttribute } from "./dom.js";
import { GridKeys } from "./grid_keys.js";

const CELL_PADDING = 8; // px, left and right together
const MORE = 8; // rows above and below the visible ones that are in the document as well

export class Grid {
  constructor(container, { label, drawRow, onOpen, onToggle, onSort, onRange = () => {} }) {
    Object.assign(this, { drawRow, onOpen, onToggle, onSort, onRange });
    this.lines = [];
    this.columns = [];
    this.rows = new Map(); // what is in the document, by key of the line
    this.indices = new Map(); // index of each line, by key
    this.heading = element("div", { className: "heading", role: "row", "aria-rowindex": "1" });
    this.body = element("div", { className: "rows", role: "rowgroup" });
    this.element = element(
      "div", { className: "grid", role: "grid", "aria-label": label, "aria-readonly": "true" },
      element("div", { role: "rowgroup", className: "headings" }, this.heading), this.body,
    );
    this.probe = element("code", { className: "unseen", "aria-hidden": "true" });
    this.element.append(this.probe);
    this.scroller = element("div", { className: "scroller" }, this.element);
    container.append(this.scroller);
    this.keys = new GridKeys(this);
    this.renderSoon = oncePerFrame(() => this.render());
    this.scroller.addEventListener("scroll", this.renderSoon, { passive: true });
    this.observer = new ResizeObserver(() => { this.measure(); this.onRange(); this.renderSoon(); });
    this.observer.observe(this.scroller);
    this.measure();
  }

  close() {
    this.observer.disconnect();
  }

  measure() {
    this.rowHeight = parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 22;
    this.digit = textWidth(this.element, "0");
    this.monospaced = textWidth(this.probe, "0");
    this.headHeight = this.heading.offsetHeight;
    this.height = this.scroller.clientHeight;
    this.page = Math.max(1, Math.floor((this.height - this.headHeight) / this.rowHeight) - 1);
  }

  // How many digits the visible width has.
  characters() {
    return Math.floor(this.scroller.clientWidth / this.digit) - 4;
  }

  // How many characters of a monospaced text a column has room for.
  charactersOf(column) {
    const cell = this.heading.children[column];
    return Math.floor((cell.clientWidth - CELL_PADDING) / this.monospaced);
  }

  // Sets the columns: `name`, `heading`, `title`, `right`, `width` (CSS), `sort` (aria-sort, or "").
  setColumns(columns) {
    const shape = JSON.stringify(columns);
    if (shape === this.shape) return;
    const same = this.columns.map((one) => one.name).join("\n") === columns.map((one) => one.name).join("\n");
    [this.shape, this.columns] = [shape, columns];
    this.element.style.setProperty("--template", columns.map((one) => one.width).join(" "));
    setAttribute(this.element, "aria-colcount", columns.length);
    if (!same) {
      this.heading.replaceChildren(...columns.map((one, at) => this.headingCell(one, at)));
      for (const row of this.rows.values()) row.element.remove();
      this.rows.clear();
      this.measure();
    }
    columns.forEach(({ sort, title }, at) => {
      const cell = this.heading.children[at];
      setAttribute(cell, "aria-sort", sort || null);
      cell.firstChild.title = title;
    });
  }

  headingCell({ name, heading, right }, at) {
    const content = element(this.onSort ? "button" : "span", { tabIndex: -1 }, heading);
    if (this.onSort) {
      content.type = "button";
      content.addEventListener("click", () => this.onSort(name));
    }
    return element("div", {
      role: "columnheader", className: right ? "right" : "", "aria-colindex": at + 1, tabIndex: -1,
    }, content);
  }

  // Sets all lines. `tree`: whether they have levels.
  setLines(lines, tree = false) {
    this.lines = lines;
    this.indices = new Map();
    for (let at = 0; at < lines.length; at += 1) this.indices.set(lines[at].key, at);
    setAttribute(this.element, "role", tree ? "treegrid" : "grid");
    setAttribute(this.element, "aria-rowcount", lines.length + 1);
    this.body.style.height = `${lines.length * this.rowHeight}px`;
    this.render();
  }

  // The range of lines that are visible: [first, last).
  visible() {
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / this.rowHeight));
    const last = Math.ceil((top + this.height - this.headHeight) / this.rowHeight);
    return [first, Math.min(this.lines.length, Math.max(last, first))];
  }

  render() {
    const [first, last] = this.visible();
    const wanted = this.lines.slice(Math.max(0, first - MORE), last + MORE);
    const keys = new Set(wanted.map((line) => line.key));
    const active = this.keys.row();
    const free = [];
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue;
      const index = this.indices.get(key);
      if (row === active && index !== undefined) { // it has the focus
        if (index < first) wanted.unshift(this.lines[index]);
        else wanted.push(this.lines[index]);
        continue;
      }
      this.rows.delete(key);
      if (row === active) row.element.remove();
      else free.push(row);
    }
    for (const line of wanted) {
      let row = this.rows.get(line.key);
      if (!row) {
        row = free.pop() ?? this.newRow();
        this.rows.set(line.key, row);
      }
      this.place(row, line);
    }
    for (const row of free) row.element.remove();
    this.order(wanted.map((line) => this.rows.get(line.key).element), active?.element);
    this.keys.restore();
  }

  newRow() {
    const cells = this.columns.map(({ right }, at) => element("div", {
      role: "gridcell", className: right ? "right" : "", "aria-colindex": at + 1, tabIndex: -1,
    }));
    return { element: element("div", { className: "row", role: "row" }, ...cells), cells, drawn: {} };
  }

  place(row, line) {
    const index = this.indices.get(line.key);
    if (row.index !== index || row.height !== this.rowHeight) {
      [row.index, row.height] = [index, this.rowHeight];
      row.element.style.transform = `translateY(${index * this.rowHeight}px)`;
      row.element.classList.toggle("odd", index % 2 === 1);
      setAttribute(row.element, "aria-rowindex", index + 2);
    }
    row.line = line;
    setAttribute(row.element, "aria-level", line.level);
    setAttribute(row.element, "aria-expanded", line.expanded);
    setAttribute(row.element, "aria-setsize", line.size);
    setAttribute(row.element, "aria-posinset", line.position);
    this.drawRow(row, line);
  }

  // Screen readers read in the order of the document. The row with the focus is not moved, as it
  // would lose the focus.
  order(elements, focused) {
    const present = this.body.children;
    if (present.length === elements.length && elements.every((one, at) => present[at] === one)) return;
    const pivot = elements.indexOf(focused);
    if (pivot < 0) {
      this.body.replaceChildren(...elements);
      return;
    }
    for (const one of elements.slice(0, pivot)) focused.before(one);
    for (const one of elements.slice(pivot + 1)) this.body.append(one);
  }

  // Scrolls a line into view.
  reveal(index) {
    const [top, row] = [this.scroller.scrollTop, this.rowHeight];
    const room = this.height - this.headHeight;
    if (index * row < top) this.scroller.scrollTop = index * row;
    else if ((index + 1) * row > top + room) this.scroller.scrollTop = (index + 1) * row - room;
  }
}

// Returns the width of a text in the font of an element, in pixels.
export function textWidth(target, text) {
  const pen = document.createElement("canvas").getContext("2d");
  const { fontSize, fontFamily } = getComputedStyle(target);
  pen.font = `${fontSize} ${fontFamily}`;
  return pen.measureText(text).width;
}
