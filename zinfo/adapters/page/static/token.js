// The token for the API: asked for once, and stored for the tab only.

import { byId, setText } from "./dom.js";

const KEY = "zinfo-token";

export class Tokens {
  constructor() {
    this.value = read();
    this.asking = null; // resolves when a token was entered
    this.dialog = byId("token");
    this.dialog.addEventListener("cancel", (event) => event.preventDefault()); // Esc: nothing is shown without
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter(byId("token-value").value.trim());
    });
    byId("forget").addEventListener("click", () => {
      write("");
      location.reload();
    });
    this.mark();
  }

  // Asks for a token; several requests that need one wait for the same dialog.
  // `problem`: why the present one was refused; "" where none was sent.
  ask(problem) {
    if (!this.asking) {
      setText(byId("token-problem"), problem && `The token was refused: ${problem}`);
      byId("token-value").value = "";
      this.dialog.showModal();
      this.asking = new Promise((resolve) => { this.resolve = resolve; });
    }
    return this.asking;
  }

  enter(token) {
    if (!token) return;
    if (!/^[\x21-\x7e]+$/.test(token)) {
      setText(byId("token-problem"), "A token has no spaces, and only letters, digits and signs of ASCII.");
      return;
    }
    this.value = token;
    write(token);
    this.mark();
    this.dialog.close();
    this.asking = null;
    this.resolve();
  }

  mark() {
    byId("forget").hidden = !this.value;
  }
}

// The storage may be disabled in the settings of a browser: then the token lasts until a reload.
function read() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function write(token) {
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // as above
  }
}
