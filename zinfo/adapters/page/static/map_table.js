// A table of the maps in INFO with a common prefix, such as those of commands; sortable.

import { element, setAttribute, setText } from "./dom.js";
import { exactValue, humanValue } from "./exact.js";
import { isNumber, own } from "./expressions.js";
import { compareNatural, natural } from "./ordering.js";

const TEXT = "text";

// Returns the lines of a table: `{name, values}`, in the order of INFO.
export function linesOf({ numbered, columns }, info, rates) {
  const prefixes = [...new Set(columns.map((one) => one.prefix))];
  const names = new Set();
  for (const [field, value] of Object.entries(info)) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) continue;
    for (const prefix of prefixes) {
      const name = field.startsWith(prefix) ? field.slice(prefix.length) : "";
      if (name && (!numbered || /^[0-9]+$/.test(name))) names.add(name);
    }
  }
  return [...names].map((name) => ({ name, values: columns.map((column) => cell(column, name, info, rates)) }));
}

function cell({ prefix, key, rate }, name, info, rates) {
  if (rate) return own(rates, `${prefix}${name}.${key}`);
  const found = own(info, prefix + name);
  return found === null ? null : own(Object(found), key);
}

// Returns lines sorted by a column; -1 for the names. Lines without a value come last.
export function sortLines(lines, column, falling) {
  const sign = falling ? -1 : 1;
  const byName = (one, other) => compareNatural(natural(one.name), natural(other.name));
  if (column < 0) return [...lines].sort((one, other) => sign * byName(one, other));
  return [...lines].sort((one, other) => {
    const [mine, theirs] = [one.values[column], other.values[column]];
    if (mine === null || theirs === null) return (mine === null) - (theirs === null) || byName(one, other);
    if (isNumber(mine) && isNumber(theirs)) return sign * (mine - theirs) || byName(one, other);
    return sign * compareNatural(natural(String(mine)), natural(String(theirs))) || byName(one, other);
  });
}

export class MapTable {
  // `table`: its definition in view.json. `title`: names it for screen readers.
  constructor(table, title) {
    this.table = table;
    const at = table.columns.findIndex((one) => one.heading === table.sort);
    this.sort = { column: at, falling: at >= 0 };
    this.lines = new Map(); // by name: {element, cells}
    this.headings = [table.heading, ...table.columns.map((one) => one.heading)].map((text, index) => {
      const button = element("button", { type: "button" }, text);
      button.addEventListener("click", () => this.sortBy(index - 1));
      const right = index && table.columns[index - 1].unit !== TEXT;
      return element("th", { scope: "col", className: right ? "right" : "" }, button);
    });
    this.body = element("tbody");
    this.element = element(
      "div", { className: "map-table", tabIndex: 0, role: "region", "aria-label": title },
      element("table", {}, element("thead", {}, element("tr", {}, ...this.headings)), this.body),
    );
  }

  sortBy(column) {
    const falling = column === this.sort.column ? !this.sort.falling : column >= 0 && this.table.columns[column].unit !== TEXT;
    this.sort = { column, falling };
    this.update(this.row, this.options);
  }

  // Returns the number of lines that are shown.
  update(row, options) {
    Object.assign(this, { row, options });
    const { search, exact, now } = options;
    const all = row ? linesOf(this.table, row.info, row.current ? row.rates : {}) : [];
    const found = all.filter(({ name, values }) => !search || [name, ...values].join(" ").toLowerCase().includes(search));
    const lines = sortLines(found, this.sort.column, this.sort.falling);
    this.headings.forEach((heading, index) => {
      const sorted = this.sort.falling ? "descending" : "ascending";
      setAttribute(heading, "aria-sort", index - 1 === this.sort.column ? sorted : null);
    });
    const wanted = lines.map((line) => this.draw(line, exact, now));
    wanted.forEach((made, at) => {
      if (this.body.children[at] !== made) this.body.insertBefore(made, this.body.children[at] ?? null);
    });
    while (this.body.children.length > wanted.length) this.body.lastChild.remove();
    this.element.hidden = !lines.length;
    return lines.length;
  }

  draw(line, exact, now) {
    let made = this.lines.get(line.name);
    if (!made) {
      const cells = this.table.columns.map(({ unit }) => element("td", { className: unit === TEXT ? "" : "right" }));
      const name = element("th", { scope: "row" });
      made = { element: element("tr", {}, name, ...cells), name, cells };
      this.lines.set(line.name, made);
    }
    setText(made.name, line.name);
    line.values.forEach((value, at) => {
      const { unit } = this.table.columns[at];
      const full = exactValue(value, unit);
      setText(made.cells[at], exact ? full : humanValue(value, unit, now));
      setAttribute(made.cells[at], "title", full);
    });
    return made.element;
  }
}
