// Keys of the whole page, and the footer, which lists those that work at the moment.

import { byId, element } from "./dom.js";

const STORED = "zinfo-letters"; // "off": single letters do nothing (WCAG 2.1.4)

export class Keys {
  constructor() {
    this.view = []; // of the open view
    this.page = []; // of every view
    this.shown = "";
    document.addEventListener("keydown", (event) => this.handle(event));
    const box = byId("letters");
    box.checked = this.letters = read() !== "off";
    box.addEventListener("change", () => {
      this.letters = box.checked;
      write(box.checked ? "on" : "off");
      this.show();
    });
  }

  // Sets the keys of a view: `{key, text, run, shown}`; `text` "" keeps one out of the footer, and
  // `shown` returns whether it works at the moment. `run` gets the event.
  set(view) {
    this.view = view;
    this.show();
  }

  works() {
    return [...this.view, ...this.page].filter(
      (one) => (one.shown?.() ?? true) && (this.letters || !/^[a-z]$/i.test(one.key)),
    );
  }

  // Draws the footer again if other keys work now.
  show() {
    const works = this.works().filter((one) => one.text);
    const shown = JSON.stringify(works.map((one) => [one.key, one.text]));
    if (shown === this.shown) return;
    this.shown = shown;
    byId("keys").replaceChildren(...works.map((one) => {
      const button = element("button", { type: "button", tabIndex: -1 }, element("kbd", {}, one.key), ` ${one.text}`);
      button.addEventListener("click", (event) => one.run(event));
      return element("li", {}, button);
    }));
  }

  handle(event) {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (isTyping(event.target) && event.key !== "Escape") return;
    if (/^(Enter| )$/.test(event.key) && event.target.closest?.("a, button, summary")) return; // its own keys
    const found = this.works().find((one) => one.key === event.key || one.keys?.includes(event.key));
    if (!found) return;
    event.preventDefault();
    found.run(event);
  }
}

export function isTyping(target) {
  return target.matches?.("input:not([type=checkbox]), select, textarea") ?? false;
}

function read() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function write(value) {
  try {
    localStorage.setItem(STORED, value);
  } catch {
    // The storage is disabled: the choice lasts until a reload.
  }
}
