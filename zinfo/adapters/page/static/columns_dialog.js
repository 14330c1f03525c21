// The dialog that chooses the columns of the table: which, in which order, and sets with names.

import { MAX_COLUMNS, formatColumns, parseColumns } from "./columns.js";
import { deleteSet, saveSet, savedSets } from "./column_sets.js";
import { byId, element, setText } from "./dom.js";

const MOST = 150; // quantities in the list at a time; the search finds the others

export class ColumnsDialog {
  // `onChange`: called with the text for the address. `knownFields`: resolves to names of fields.
  constructor({ quantities, sets, knownFields, onChange }) {
    Object.assign(this, { quantities, sets, knownFields, onChange });
    this.columns = []; // as parseColumns returns them
    this.fields = [];
    this.labels = [];
    this.build();
  }

  build() {
    this.shown = element("ol", { className: "chosen-columns", "aria-label": "Columns shown, from left to right" });
    this.find = element("input", { type: "search", id: "find-column", placeholder: "used_memory_rss   expired_keys/s   label:site", autocomplete: "off", spellcheck: false });
    this.found = element("ul", { className: "found-columns", "aria-label": "Columns that can be added" });
    this.problem = element("p", { className: "problem", role: "alert" });
    this.sets_ = element("div", { className: "sets", role: "group", "aria-label": "Sets of columns" });
    this.name = element("input", { id: "set-name", maxLength: 40, autocomplete: "off" });
    const save = element("button", { type: "button" }, "Save as a set");
    const close = element("button", { type: "button", className: "main" }, "Close");
    this.find.addEventListener("input", () => this.list());
    this.find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.add(this.find.value.trim());
    });
    save.addEventListener("click", () => this.save());
    this.name.addEventListener("keydown", (event) => event.key === "Enter" && this.save());
    close.addEventListener("click", () => byId("columns").close());
    byId("columns-content").replaceChildren(
      this.sets_,
      element("div", { className: "column-lists" },
        element("section", {}, element("h3", {}, "Shown"), this.shown),
        element("section", {}, element("h3", {}, element("label", { htmlFor: "find-column" }, "Add a column")), this.find, this.found)),
      this.problem,
      element("p", { className: "buttons" }, element("label", { htmlFor: "set-name" }, "Name"), this.name, save, close),
    );
  }

  // Opens the dialog. `columns`: the present ones. `labels`: names of labels.
  async show(columns, labels) {
    this.columns = [...columns];
    this.labels = labels;
    setText(this.problem, "");
    this.draw();
    byId("columns").showModal();
    this.find.focus();
    this.fields = await this.knownFields();
    this.list();
  }

  draw() {
    this.drawShown();
    this.list();
    const sets = [...this.sets, ...savedSets()];
    this.sets_.replaceChildren(...sets.flatMap((set) => {
      const use = element("button", { type: "button", title: set.columns.join(", ") }, set.name);
      use.addEventListener("click", () => this.use(set));
      if (!set.saved) return [use];
      const remove = element("button", { type: "button", className: "remove", "aria-label": `delete the set ${set.name}` }, "✕");
      remove.addEventListener("click", () => this.fail(deleteSet(set.name)));
      return [element("span", { className: "saved" }, use, remove)];
    }));
  }

  drawShown() {
    const last = this.columns.length - 1;
    this.shown.replaceChildren(...this.columns.map((column, at) => {
      const button = (text, label, to, disabled) => {
        const made = element("button", { type: "button", disabled, "aria-label": `${label} ${column.name}` }, text);
        made.addEventListener("click", () => this.move(at, to, label));
        return made;
      };
      return element("li", {},
        element("span", { className: "name", title: column.quantity.help }, column.name),
        element("span", { className: "unit" }, column.quantity.unit),
        column.quantity.series ? this.sparkBox(column) : "",
        button("↑", "move up", at - 1, at === 0), button("↓", "move down", at + 1, at === last), button("✕", "remove", null, last === 0));
    }));
  }

  // Whether a column has a sparkline beside its number.
  sparkBox(column) {
    const box = element("input", { type: "checkbox", checked: column.spark });
    box.addEventListener("change", () => {
      column.spark = box.checked;
      this.onChange(formatColumns(this.columns));
    });
    return element("label", { title: `sparkline of ${column.name}` }, box, " ∿");
  }

  list() {
    const text = this.find.value.trim().toLowerCase();
    const built = [...this.quantities.builtIn.values()];
    const names = [...built.map((one) => one.name), ...this.labels.map((one) => `label:${one}`), ...this.fields];
    const found = [...new Set(names)].filter((name) => !this.columns.some((one) => one.name === name)
      && (!text || `${name} ${this.quantities.find(name)?.help ?? ""}`.toLowerCase().includes(text)));
    this.found.replaceChildren(...found.slice(0, MOST).map((name) => {
      const one = this.quantities.find(name);
      const add = element("button", { type: "button" }, element("span", { className: "name" }, name), element("span", { className: "unit" }, one?.unit ?? ""),
        element("span", { className: "about" }, one && this.quantities.builtIn.has(name) ? one.help : ""));
      add.addEventListener("click", () => this.add(name));
      return element("li", {}, add);
    }));
    if (found.length > MOST) this.found.append(element("li", { className: "note" }, `${found.length - MOST} more: search for them`));
  }

  add(name) {
    const [column] = parseColumns(name, this.quantities, []).columns;
    if (!name || !column) return this.fail(name ? `${name} is no column` : "");
    if (this.columns.length >= MAX_COLUMNS) return this.fail(`the table has at most ${MAX_COLUMNS} columns`);
    if (!this.columns.some((one) => one.name === column.name)) this.columns.push(column);
    this.find.value = "";
    return this.changed();
  }

  // Moves a column to another position, or removes it.
  move(at, to, label) {
    const [column] = this.columns.splice(at, 1);
    if (to !== null) this.columns.splice(to, 0, column);
    this.changed();
    const row = this.shown.children[Math.min(to ?? at, this.columns.length - 1)];
    const same = [...row.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === `${label} ${column.name}`);
    (same && !same.disabled ? same : row.querySelector("button:not(:disabled)"))?.focus();
  }

  use(set) {
    this.columns = parseColumns(set.name, this.quantities, [set]).columns;
    this.draw();
    this.onChange(set.name);
  }

  save() {
    this.fail(saveSet(this.name.value.trim(), formatColumns(this.columns).split(","), this.sets));
  }

  // Shows what is wrong, or draws the lists again.
  fail(problem) {
    setText(this.problem, problem);
    if (!problem) this.draw();
  }

  changed() {
    this.fail("");
    this.onChange(formatColumns(this.columns));
  }
}
