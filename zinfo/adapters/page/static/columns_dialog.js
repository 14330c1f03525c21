// The dialog that chooses the columns of the table: which, in which order, and sets with names.

import { MAX_COLUMNS } from "./columns.js";
import { deleteSet, saveSet, savedSets } from "./column_sets.js";
import { byId, element, setText } from "./dom.js";

const MOST = 150; // quantities in the list at a time; the search finds the others

export class ColumnsDialog {
  // `onChange`: called with the text for the address. `knownFields`: resolves to names of fields.
  constructor({ quantities, sets, knownFields, onChange }) {
    Object.assign(this, { quantities, sets, knownFields, onChange });
    this.names = [];
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

  // Opens the dialog. `names`: the present columns. `labels`: names of labels.
  async show(names, labels) {
    this.names = [...names];
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
    this.shown.replaceChildren(...this.names.map((name, at) => {
      const button = (text, label, to, disabled) => {
        const made = element("button", { type: "button", disabled, "aria-label": `${label} ${name}` }, text);
        made.addEventListener("click", () => this.move(at, to, label));
        return made;
      };
      const quantity = this.quantities.find(name);
      return element("li", {},
        element("span", { className: "name", title: quantity?.help ?? "" }, name),
        element("span", { className: "unit" }, quantity?.unit ?? ""),
        button("↑", "move up", at - 1, at === 0), button("↓", "move down", at + 1, at === this.names.length - 1),
        button("✕", "remove", null, this.names.length === 1));
    }));
  }

  list() {
    const text = this.find.value.trim().toLowerCase();
    const built = [...this.quantities.builtIn.values()];
    const names = [...built.map((one) => one.name), ...this.labels.map((one) => `label:${one}`), ...this.fields];
    const found = [...new Set(names)].filter((name) => !this.names.includes(name)
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
    const quantity = this.quantities.find(name);
    if (!quantity) return this.fail(name ? `${name} is no column` : "");
    if (this.names.length >= MAX_COLUMNS) return this.fail(`the table has at most ${MAX_COLUMNS} columns`);
    if (!this.names.includes(quantity.name)) this.names.push(quantity.name);
    this.find.value = "";
    return this.changed();
  }

  // Moves a column to another position, or removes it.
  move(at, to, label) {
    const [name] = this.names.splice(at, 1);
    if (to !== null) this.names.splice(to, 0, name);
    this.changed();
    const row = this.shown.children[Math.min(to ?? at, this.names.length - 1)];
    const again = to === null ? row?.querySelector("button:not(:disabled)") : [...row.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === `${label} ${name}`);
    (again?.disabled ? row.querySelector("button:not(:disabled)") : again)?.focus();
  }

  use(set) {
    this.names = [...set.columns];
    this.draw();
    this.onChange(set.name);
  }

  save() {
    this.fail(saveSet(this.name.value.trim(), this.names, this.sets));
  }

  // Shows what is wrong, or draws the lists again.
  fail(problem) {
    setText(this.problem, problem);
    if (!problem) this.draw();
  }

  changed() {
    this.fail("");
    this.onChange(this.names.join(","));
  }
}
