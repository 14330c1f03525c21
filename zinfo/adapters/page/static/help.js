// The dialog with help: the keys that work, and the forms of a filter.

import { byId, element } from "./dom.js";

export function showHelp(definitions, keys) {
  const rows = keys.works().filter((one) => one.text || one.help);
  byId("help-content").replaceChildren(
    element("h3", {}, "Keys"),
    table(rows.map((one) => [one.key, one.help ?? one.text]), "kbd"),
    element("h3", {}, "Filter"),
    element("p", {}, "Words separated by spaces; all of them must match."),
    table(definitions.grammar, "code"),
    element("h3", {}, "Values"),
    element("p", {}, "- is a value that is unknown. Dim values are those of the newest INFO of a shard that does not "
      + "answer; while the data is stale, all are. ~66% is a hit ratio since the start of the server, where nothing "
      + "was read in the last interval. A number in full is shown while the pointer or the focus is on it."),
  );
  byId("help").showModal();
}

function table(rows, tag) {
  return element("table", {}, element("tbody", {}, ...rows.map(([form, meaning]) => element(
    "tr", {}, element("th", { scope: "row" }, element(tag, {}, form)), element("td", {}, meaning),
  ))));
}
