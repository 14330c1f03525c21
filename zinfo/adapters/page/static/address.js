// What is shown is part of the page's address, so that it can be shared and opened in a new tab:
//
//   #view=problems                 which view; the table of shards by default
//   #filter=role%3Dreplica         the filter of the table and of the problems
//   #sort=-ops                     a quantity; "-" reverses its default order
//   #group=label:site              how rows are grouped
//   #columns=id,state,ops          names of quantities, or the name of a set of columns
//   #shard=ID, #shard=ID&with=ID   one shard; two side by side

const NAMES = ["view", "filter", "sort", "group", "columns", "shard", "with"];
const MAX_TEXT = 4000; // characters of a part: an address may come from anybody

// Returns the parts of an address: texts, "" where a part is missing.
export function parseAddress(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  return Object.fromEntries(NAMES.map((name) => [name, (given.get(name) ?? "").slice(0, MAX_TEXT)]));
}

// Returns the hash for the parts of an address.
export function formatAddress(parts) {
  const found = NAMES.filter((name) => parts[name]).map((name) => `${name}=${encode(parts[name])}`);
  return `#${found.join("&")}`;
}

// Percent-encodes what would be ambiguous; `:`, `/` and `,` stay legible.
function encode(text) {
  return encodeURIComponent(text.toWellFormed?.() ?? text).replace(/%(3A|2F|2C|40)/g, decodeURIComponent);
}

// The address of this page, and changes of it.
export class Address {
  // `onChange` is called after each change, also by the buttons of the browser.
  constructor(onChange) {
    this.parts = parseAddress(location.hash);
    this.onChange = onChange;
    addEventListener("hashchange", () => this.read());
  }

  // Returns the hash of the present address with some parts changed.
  href(change) {
    return formatAddress({ ...this.parts, ...change });
  }

  // Changes parts of the address. `replace`: without an entry in the history of the browser.
  go(change, { replace = false } = {}) {
    const hash = this.href(change);
    if (hash === formatAddress(this.parts)) return;
    history[replace ? "replaceState" : "pushState"](null, "", hash);
    this.read();
  }

  read() {
    this.parts = parseAddress(location.hash);
    this.onChange(this.parts);
  }
}
