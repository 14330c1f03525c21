// The line at the top: the views, the daemon, and whether the data is current.

import { byId, element, setAttribute, setText } from "./dom.js";
import { secondsText } from "./formatting.js";

const VIEWS = [["", "Shards"], ["problems", "Problems"], ["events", "Events"]];

export class Head {
  constructor(definitions, announce) {
    this.announce = announce;
    this.fresh = null;
    const { endpoint = "", node = "" } = definitions.json;
    setText(byId("endpoint"), node && endpoint ? `${node} · ${endpoint}` : node || endpoint);
    byId("paths").hidden = Boolean(endpoint); // of the daemon itself
    byId("endpoint").title = byId("endpoint").textContent;
    this.links = VIEWS.map(([view, text]) => {
      const count = element("span", { className: "count" });
      const link = element("a", {}, text, count);
      byId("views").append(link);
      return { view, link, count };
    });
  }

  // Marks the open view. `href`: returns the hash for a change of the address.
  show(parts, href) {
    for (const { view, link } of this.links) {
      link.href = href({ view, shard: "", with: "" });
      setAttribute(link, "aria-current", !parts.shard && parts.view === view ? "page" : null);
    }
  }

  // Sets the number of problems, by severity: pairs.
  setProblems(counts) {
    const { link, count } = this.links.find((one) => one.view === "problems");
    const total = counts.reduce((sum, [, number]) => sum + number, 0);
    setText(count, total ? String(total) : "");
    count.className = `count ${counts.find(([, number]) => number)?.[0] ?? ""}`;
    link.title = counts.filter(([, number]) => number).map(([severity, number]) => `${number} ${severity}`).join(", ");
  }

  // Shows whether the data is current; a change is announced.
  update(store) {
    const { fresh, ever, problem, daemons, missing } = store.feed;
    const state = fresh ? "live" : ever || problem ? "stale" : "waiting";
    const word = { live: "live", stale: "STALE", waiting: "connecting" }[state];
    byId("feed").className = state;
    setText(byId("feed-word"), word);
    const since = ever ? ` for ${secondsText(store.staleSeconds())}` : "";
    setText(byId("feed-detail"), state === "stale" ? `${since}${problem ? `: ${problem}` : ""}` : "");
    byId("feed").title = byId("feed").textContent;
    document.body.classList.toggle("stale", state === "stale");
    document.body.classList.toggle("waiting", !ever);
    setText(byId("daemons"), daemons);
    byId("missing").hidden = !missing.length;
    setText(byId("missing"), missing.length ? `MISSING: ${missing.join("; ")}` : "");
    if (this.fresh !== null && this.fresh !== state) {
      this.announce(state === "stale" ? `The data is stale: ${problem}` : "The data is current");
    }
    this.fresh = state;
  }
}
