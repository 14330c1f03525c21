// Draws the cells of a row of the table, in place: a cell whose content is the same is not touched.

import { element, setAttribute } from "./dom.js";
import { exactCellText } from "./columns.js";
import { newSparkline } from "./sparklines.js";

// Draws the row of a shard.
//
// `columns`: of the table. `id`: what the column "id" shows: `{text, href, title()}`.
// `spark(name)`: returns the series of a quantity with a sparkline; null for none.
export function drawShard(row, shard, columns, id, spark) {
  setClass(row.element, `row shard ${shard.shown_state}${shard.late ? " late" : ""}`, row);
  columns.forEach((column, at) => {
    const cell = row.cells[at];
    if (column.name === "id") drawLink(cell, id, row.line.level);
    else if (column.name === "state") drawState(cell, column.text(shard), shard);
    else {
      const series = column.spark && spark ? spark(column.quantity.series, shard) : undefined;
      drawValue(cell, column.text(shard), series, shard, column);
    }
  });
}

// Draws the row of a group: its title in the first column, totals in the others.
export function drawGroup(row, group, columns, texts, onToggle) {
  setClass(row.element, `row group ${group.totals.states.down ? "has-down" : ""}`.trim(), row);
  columns.forEach((column, at) => {
    const cell = row.cells[at];
    if (at === 0) {
      const button = prepare(cell, "group", () => [element(
        "button", { type: "button", tabIndex: -1 },
        element("span", { className: "fold", "aria-hidden": "true" }), element("span", { className: "title" }),
        element("span", { className: "about" }),
      )]).firstChild;
      button.onclick = onToggle;
      setAttribute(button, "aria-expanded", row.line.expanded);
      write(button.children[0], row.line.expanded ? "▾" : "▸");
      write(button.children[1], group.title);
      write(button.children[2], group.about);
    } else writeCell(prepare(cell, "text"), texts[at] ?? "");
  });
}

function drawLink(cell, { text, href, title }, level) {
  const link = prepare(cell, "link", () => [element("a", { tabIndex: -1 })]).firstChild;
  cell.classList.toggle("indented", level === 2);
  write(link, text);
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
  cell.exact = title;
}

export const MARKS = { up: "●", loading: "▲", busy: "▲", down: "✖", new: "○", stale: "◌" };

function drawState(cell, text, shard) {
  const [mark, word] = prepare(cell, "state", () => [
    element("span", { className: "state-mark", "aria-hidden": "true" }), element("span", { className: "state" }),
  ]).children;
  write(mark, MARKS[shard.shown_state] ?? "?");
  write(word, text);
  const title = shard.state === "down" ? shard.error : "";
  if (cell.title !== title) cell.title = title;
}

function drawValue(cell, text, series, shard, column) {
  if (series === undefined) {
    prepare(cell, "text");
    writeCell(cell, text);
  } else {
    prepare(cell, "spark", () => {
      const line = newSparkline();
      cell.line = line;
      return [line.element, element("span", {})];
    });
    cell.line.draw(series);
    write(cell.lastChild, text);
  }
  // The exact value is computed when the pointer asks for it.
  cell.exact = () => exactCellText(column, shard);
}

// Gives a cell the elements of a kind of content, if it has others.
function prepare(cell, kind, make = () => []) {
  if (cell.kind !== kind) {
    cell.kind = kind;
    cell.exact = null;
    cell.written = undefined;
    cell.classList.remove("indented");
    cell.title = "";
    const had = cell.tabIndex;
    cell.replaceChildren(...make());
    if (kind !== "link" && kind !== "group") cell.tabIndex = had;
  }
  return cell;
}

function writeCell(cell, text) {
  write(cell, text);
}

// Sets a text that only this function sets, without reading the document.
export function write(target, text) {
  if (target.written === text) return;
  target.written = text;
  target.textContent = text;
}

// Sets the class of a row; the grid marks every other one.
function setClass(target, name, row) {
  const odd = row.index % 2 ? " odd" : "";
  if (target.className !== name + odd) target.className = name + odd;
}

// Shows the exact value of a cell as its title while the pointer or the focus is on it.
export function showExactValues(grid) {
  const show = ({ target }) => {
    const cell = target.closest?.("[role=gridcell]");
    if (cell?.exact) cell.title = cell.exact();
  };
  grid.addEventListener("pointerover", show, { passive: true });
  grid.addEventListener("focusin", show);
}
