// The keyboard in a grid: one cell has the tab stop, and arrows move it (roving tabindex).

import { setAttribute } from "./dom.js";

const HEADING = -1; // the index of the row of headings

export class GridKeys {
  constructor(grid) {
    this.grid = grid;
    this.key = null; // of the active line; null for the headings, or before the first
    this.index = 0;
    this.column = 0;
    this.stop = null; // the element with the tab stop
    grid.element.addEventListener("keydown", (event) => this.handle(event));
    grid.element.addEventListener("focusin", (event) => this.follow(event.target));
  }

  // The row in the document that has the focus.
  row() {
    const held = this.key !== null && this.grid.element.contains(document.activeElement);
    return held ? this.grid.rows.get(this.key) : undefined;
  }

  // Puts the focus into the table, at the active cell.
  focus() {
    this.go(this.index, this.column);
  }

  // Sets the tab stop after the rows were drawn; the focus moves on if its line is gone.
  restore() {
    const { grid } = this;
    const had = this.lost();
    if (this.key !== null && grid.indices.has(this.key)) this.index = grid.indices.get(this.key);
    else if (this.key !== null) {
      this.index = Math.min(this.index, grid.lines.length - 1);
      this.key = grid.lines[this.index]?.key ?? null;
      if (had && this.key !== null) return this.go(this.index, this.column);
    }
    return this.mark(this.target() ?? this.visibleTarget());
  }

  // Whether the element with the focus was removed from the document.
  lost() {
    return this.held && document.activeElement === document.body;
  }

  visibleTarget() {
    return focusable(this.grid.body.firstElementChild?.children[this.column] ?? this.grid.heading.children[0]);
  }

  target() {
    const cells = this.index === HEADING ? [...this.grid.heading.children] : this.grid.rows.get(this.key)?.cells;
    return focusable(cells?.[Math.min(this.column, cells.length - 1)]);
  }

  mark(target) {
    if (!target || target === this.stop) return;
    if (this.stop) this.stop.tabIndex = -1;
    target.tabIndex = 0;
    this.stop = target;
  }

  // Follows the focus, however it came.
  follow(target) {
    this.held = true;
    const cell = target.closest("[role=gridcell], [role=columnheader]");
    if (!cell) return;
    this.column = Number(cell.getAttribute("aria-colindex")) - 1;
    const found = [...this.grid.rows].find(([, row]) => row.element === cell.parentElement);
    this.key = found ? found[0] : null;
    this.index = found ? this.grid.indices.get(found[0]) : HEADING;
    this.mark(target);
  }

  go(index, column) {
    const { grid } = this;
    this.index = Math.max(HEADING, Math.min(index, grid.lines.length - 1));
    this.column = Math.max(0, Math.min(column, grid.columns.length - 1));
    this.key = this.index === HEADING ? null : grid.lines[this.index].key;
    if (this.index !== HEADING) {
      grid.reveal(this.index);
      grid.render();
    }
    const target = this.target();
    this.mark(target);
    target?.focus({ preventScroll: this.index !== HEADING && innerWidth > 0 && !this.clipped(target) });
  }

  // Whether a cell is beyond the left or right edge.
  clipped(target) {
    const [cell, box] = [target.getBoundingClientRect(), this.grid.scroller.getBoundingClientRect()];
    return cell.left < box.left || cell.right > box.right;
  }

  handle(event) {
    if (event.altKey || event.metaKey) return;
    const { grid, index, column } = this;
    const line = index === HEADING ? null : grid.lines[index];
    const last = grid.lines.length - 1;
    const far = event.ctrlKey;
    const moves = {
      ArrowDown: () => this.go(index + 1, column),
      ArrowUp: () => this.go(index - 1, column),
      ArrowRight: () => this.right(line),
      ArrowLeft: () => this.left(line),
      Home: () => this.go(far ? 0 : index, 0),
      End: () => this.go(far ? last : index, grid.columns.length - 1),
      PageDown: () => this.go(Math.min(last, index + grid.page), column),
      PageUp: () => this.go(Math.max(0, index - grid.page), column),
      " ": () => line?.expanded !== undefined && grid.onToggle(line),
      Enter: () => line && (line.expanded === undefined ? grid.onOpen(line) : grid.onToggle(line)),
    };
    if (!Object.hasOwn(moves, event.key) || (far && !/^(Home|End)$/.test(event.key))) return;
    if (index === HEADING && /^(Enter| )$/.test(event.key)) return; // a button
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  }

  right(line) {
    if (line?.expanded === false && this.column === 0) this.grid.onToggle(line);
    else this.go(this.index, this.column + 1);
  }

  left(line) {
    if (line?.expanded === true && this.column === 0) this.grid.onToggle(line);
    else if (line?.parent !== undefined && this.column === 0) this.go(this.grid.indices.get(line.parent), 0);
    else this.go(this.index, this.column - 1);
  }
}

// The element of a cell that takes the focus: a link or button in it, else the cell.
function focusable(cell) {
  const found = cell?.querySelector("a, button") ?? cell;
  if (found && found !== cell) setAttribute(cell, "tabindex", null);
  return found;
}
