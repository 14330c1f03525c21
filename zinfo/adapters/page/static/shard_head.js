// The top of a shard's page: its name, state, error, role, labels, and the ways to other shards.

import { MARKS } from "./cells.js";
import { element, setAttribute, setText } from "./dom.js";
import { secondsText } from "./formatting.js";

export class ShardHead {
  // `context`: that of the view. `place`: "" for the only shard, else "A" or "B".
  constructor(context, place = "") {
    this.context = context;
    this.mark = element("span", { className: "state-mark", "aria-hidden": "true" });
    this.status = element("span", { className: "status" });
    this.about = element("span", { className: "about" });
    this.labels = element("span", { className: "labels" });
    this.name = element("h2", { tabIndex: -1 });
    this.error = element("p", { className: "error", role: "alert", hidden: true });
    this.place = place ? element("b", { className: `place place-${place}` }, place) : null;
    this.element = element(
      "div", { className: "shard-head" },
      element("div", { className: "title" }, this.place, this.name),
      element("p", { className: "facts" }, element("span", { className: "state" }, this.mark, this.status), this.about, this.labels),
      this.error,
    );
  }

  // `row`: null where the shard is not watched. `problem`: why its INFO could not be read.
  update(shard, row, problem) {
    setText(this.name, shard);
    const { feed } = this.context.store;
    const state = row ? row.shown_state : feed.ever ? "unknown" : "new";
    this.element.className = `shard-head ${state}`;
    setText(this.mark, MARKS[state] ?? "");
    setText(this.status, row ? statusText(row) : feed.ever ? "This shard is not watched, or no longer." : "connecting");
    setText(this.about, row ? aboutText(row) : "");
    setText(this.labels, row ? Object.entries(row.labels).map(([name, text]) => `${name}=${text}`).join("  ") : "");
    const error = row?.state === "down" ? row.error : "";
    const text = [error, row && problem].filter(Boolean).join(" — ");
    this.error.hidden = !text;
    setText(this.error, text);
    setAttribute(this.error, "title", text || null);
  }
}

// The state and since when; while stale also the one that was last known.
function statusText(row) {
  const state = row.reason ? `${row.state}: ${row.reason}` : row.state;
  const since = row.since === null ? "" : ` for ${secondsText(row.since)}`;
  return row.fresh ? `${state}${since}` : `stale (was ${state}${since})`;
}

function aboutText(row) {
  const age = Number.isFinite(row.age) ? `INFO ${secondsText(row.age)} old` : "no INFO yet";
  const interval = row.current && row.interval !== null ? `polled every ${secondsText(row.interval)}` : "";
  return [row.shown_role, row.version, interval, age].filter(Boolean).join(" · ");
}
