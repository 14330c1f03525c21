// The events of one shard or of two, beside its page.

import { element } from "./dom.js";
import { clockText, eventText, secondsText } from "./formatting.js";

const MOST = 100; // events in the document

export class ShardEvents {
  constructor(count) {
    this.count = count;
    this.list = element("ol", { className: "events", tabIndex: 0, "aria-label": "Events, the newest first" });
    this.empty = element("p", { className: "note" }, "No events.");
    this.element = element(
      "aside", { className: "shard-events", "aria-labelledby": "shard-events" },
      element("h3", { id: "shard-events" }, "Events"), this.list, this.empty,
    );
  }

  // `lists`: the events of each shard, the newest last.
  update(lists) {
    if (this.shown && lists.every((one, at) => one === this.shown[at])) return;
    this.shown = lists;
    const all = lists.flatMap((events, at) => events.map((event) => ({ event, at })));
    all.sort((one, other) => other.event.time - one.event.time);
    this.list.replaceChildren(...all.slice(0, MOST).map(({ event, at }) => this.item(event, at)));
    this.empty.hidden = all.length > 0;
    this.list.hidden = !all.length;
  }

  item(event, at) {
    const date = new Date(event.time * 1000);
    const age = secondsText(Math.max(0, Date.now() / 1000 - event.time));
    const time = element("time", { dateTime: date.toISOString(), title: `${date.toLocaleString("sv")}, ${age} ago` }, clockText(event.time));
    const place = this.count > 1 ? element("b", { className: "place" }, "AB"[at]) : null;
    return element("li", { className: `event ${event.type}` }, time, place, element("span", { className: "what" }, eventText(event)));
  }
}
