// The view of events: the newest of all shards, at the top.

import { element, setText } from "./dom.js";
import { DAEMON, clockText, eventText } from "./formatting.js";
import { SearchText } from "./search_text.js";

const MOST = 500; // events in the document

export function open(container, parts, context) {
  const search = new SearchText("Search in events", () => update());
  const list = element("ol", { className: "events", tabIndex: 0, "aria-label": "Events, the newest first" });
  const empty = element("p", { className: "empty" });
  container.append(element("h2", { className: "unseen" }, "Events"), search.element, list, empty);
  let shown = null;

  function update() {
    const events = context.store.events;
    const text = search.text;
    if (shown && shown.events === events && shown.text === text) return;
    shown = { events, text };
    const found = events.filter((event) => !text || line(event).toLowerCase().includes(text)).slice(-MOST).reverse();
    list.replaceChildren(...found.map((event) => item(event, context)));
    setText(empty, found.length ? "" : text ? `0 of ${events.length} events shown` : emptyText(context));
  }
  return {
    update,
    close() {},
    search: () => search.focus(),
    keys: [{ key: "Escape", text: "shards", run: () => context.go({ view: "" }) }],
  };
}

const line = (event) => `${clockText(event.time)} ${event.shard || DAEMON} ${eventText(event)}`;

function emptyText({ definitions, store }) {
  if (!definitions.allows("events")) return "This client may not see events.";
  return store.feed.ever ? "No events so far." : "";
}

function item(event, { href }) {
  const where = event.shard
    ? element("a", { href: href({ shard: event.shard, view: "" }), className: "shard" }, event.shard)
    : element("span", { className: "shard" }, DAEMON);
  const time = element("time", { dateTime: new Date(event.time * 1000).toISOString() }, clockText(event.time));
  return element("li", { className: `event ${event.type}` }, time, where, element("span", { className: "what" }, eventText(event)));
}
