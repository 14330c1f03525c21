// The box with the filter of the table and of the problems.

import { element, setAttribute, setText } from "./dom.js";
import { Filter, FilterError } from "./filtering.js";

const DELAY = 150; // ms after the last key until the filter is applied
let boxes = 0;

export class SearchBox {
  // `go`: changes the address. `onFilter`: called when another filter is to be applied.
  constructor({ quantities, go, onFilter }) {
    Object.assign(this, { quantities, go, onFilter });
    boxes += 1;
    const id = `filter-${boxes}`;
    this.input = element("input", {
      id, type: "search", autocomplete: "off", spellcheck: false, maxLength: 2000, "aria-describedby": `${id}-problem`,
      placeholder: "role=replica   used_memory>1G   site=fra or down",
    });
    this.problem = element("p", { id: `${id}-problem`, className: "problem", role: "alert" });
    this.element = element(
      "div", { className: "search", role: "search" },
      element("label", { htmlFor: id }, "Filter"), this.input, this.problem,
    );
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.apply(), DELAY);
    });
    // A press on a heading right after the last key must not lose the filter.
    this.input.addEventListener("blur", () => { if (this.timer) this.apply(); });
    this.input.addEventListener("keydown", (event) => this.handle(event));
    this.filter = new Filter("", quantities);
  }

  handle(event) {
    if (event.key === "Enter") {
      this.apply();
      this.onLeave?.();
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if (this.input.value) {
        this.input.value = "";
        this.apply();
      } else this.onLeave?.();
    }
  }

  // Sets the filter of the address.
  set(text) {
    if (this.input.value.trim() !== text.trim()) this.input.value = text;
    this.parse(text);
  }

  apply() {
    clearTimeout(this.timer);
    this.timer = 0;
    const text = this.input.value.trim();
    this.parse(text);
    if (!this.error) this.go({ filter: text }, { replace: true });
  }

  // A filter that is invalid is not applied: the one before stays.
  parse(text) {
    try {
      this.filter = new Filter(text, this.quantities);
      this.error = "";
      this.onFilter(this.filter);
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      this.error = error.message;
    }
    this.show(this.error);
  }

  // Shows what is wrong with the filter: an error, or a name that no shard has.
  check(known) {
    if (!this.error) this.show(this.filter.problem(known));
  }

  show(problem) {
    setText(this.problem, problem);
    setAttribute(this.input, "aria-invalid", this.error ? "true" : null);
  }
}
