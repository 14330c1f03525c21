// The choice of what rows are grouped by.

import { element } from "./dom.js";
import { GROUPINGS, GroupingError, checkGrouping } from "./grouping.js";

export class GroupChoice {
  // `onChange`: called with the grouping that was chosen, "" for none.
  constructor(onChange) {
    this.select = element("select", { "aria-label": "Group by" });
    this.select.addEventListener("change", () => onChange(this.select.value));
    this.element = element("label", { className: "choice" }, element("span", {}, "Group"), this.select);
    this.labels = [];
    this.value = "";
    this.draw();
  }

  setLabels(labels) {
    this.labels = labels;
    this.draw();
  }

  // Sets the grouping of the address; returns it, "" if it is none.
  set(by) {
    try {
      if (by) checkGrouping(by);
      this.value = by;
    } catch (error) {
      if (!(error instanceof GroupingError)) throw error;
      this.value = "";
    }
    this.draw();
    return this.value;
  }

  // The next one of the list, for the keyboard.
  next() {
    const options = [...this.select.options].map((one) => one.value);
    return options[(options.indexOf(this.value) + 1) % options.length];
  }

  draw() {
    const labels = this.labels.map((name) => [`label:${name}`, `label ${name}`]);
    const choices = [["", "none"], ...GROUPINGS, ...labels];
    if (!choices.some(([value]) => value === this.value)) choices.push([this.value, this.value]);
    const shape = JSON.stringify(choices);
    if (shape !== this.shape) {
      this.shape = shape;
      this.select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
    }
    this.select.value = this.value;
  }
}
