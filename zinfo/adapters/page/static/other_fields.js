// The fields of INFO that no part of the page shows, in the order of INFO.

import { element, setAttribute, setText } from "./dom.js";
import { exactValue, humanValue } from "./exact.js";

const HIGHLIGHT = 3; // seconds for which a value that changed is highlighted
const MOST = 2000; // lines in the document

export class OtherFields {
  constructor(context, count) {
    this.context = context;
    this.count = count;
    this.lines = new Map(); // by field
    this.body = element("tbody");
    const head = count > 1 ? ["A", "B"] : ["value", "per s"];
    this.element = element(
      "section", { className: "part others", "aria-labelledby": "part-others" },
      element("h3", { id: "part-others" }, "Other fields"),
      element("table", { className: "values" }, element("thead", {}, element("tr", {}, ...["field", ...head].map((text) => element("th", { scope: "col" }, text)))), this.body),
    );
  }

  // Returns the number of fields that are shown.
  //
  // `used`: the fields that parts show. `options`: as for ShardPart.
  update(rows, used, options) {
    const { search, exact, now, sinceChange } = options;
    const fields = [...new Set(rows.flatMap((row) => Object.keys(row?.info ?? {})))].filter((field) => !used(field));
    const shown = [];
    for (const field of fields) {
      const unit = this.context.quantities.unitOf(field);
      const values = rows.map((row) => (row && Object.hasOwn(row.info, field) ? row.info[field] : null));
      const texts = values.map((value) => (exact ? exactValue(value, unit) : humanValue(value, unit, now)));
      if (search && !`${field} ${texts.join(" ")}`.toLowerCase().includes(search)) continue;
      if (shown.length === MOST) break;
      const line = this.line(field);
      const exacts = values.map((value) => exactValue(value, unit));
      rows.forEach((_, at) => {
        const recent = sinceChange[at]?.(field) < HIGHLIGHT;
        const unlike = rows.length > 1 && exacts[0] !== exacts[1];
        write(line.cells[at], texts[at], exacts[at], [recent ? "changed" : "", unlike ? "unlike" : ""].filter(Boolean).join(" "));
      });
      if (rows.length === 1) {
        const rate = rows[0]?.current ? (rows[0].rates[field] ?? null) : null;
        write(line.cells[1], rate === null ? "" : humanValue(rate, "per second", now), "", "rate");
      }
      shown.push(line.element);
    }
    shown.forEach((made, at) => {
      if (this.body.children[at] !== made) this.body.insertBefore(made, this.body.children[at] ?? null);
    });
    while (this.body.children.length > shown.length) this.body.lastChild.remove();
    this.element.hidden = !shown.length;
    return shown.length;
  }

  line(field) {
    let line = this.lines.get(field);
    if (!line) {
      const cells = [element("td"), element("td")];
      line = { cells, element: element("tr", {}, element("th", { scope: "row" }, field), ...cells) };
      this.lines.set(field, line);
    }
    return line;
  }
}

function write(cell, text, title, name) {
  setText(cell, text);
  setAttribute(cell, "title", title || null);
  if (cell.className !== name) cell.className = name;
}
