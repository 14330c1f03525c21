// A box that searches for a text.

import { element } from "./dom.js";

export class SearchText {
  constructor(label, onChange) {
    this.input = element("input", {
      type: "search", autocomplete: "off", spellcheck: false, "aria-label": label, placeholder: label,
    });
    this.element = element("div", { className: "search toolbar", role: "search" }, this.input);
    this.input.addEventListener("input", onChange);
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      event.preventDefault();
      if (this.input.value) {
        this.input.value = "";
        onChange();
      } else this.input.blur();
    });
  }

  get text() {
    return this.input.value.trim().toLowerCase();
  }

  focus() {
    this.input.focus();
    this.input.select();
  }
}
