// What is wrong with the shards, the worst first. The table of problems is data of the server
// (`view.json`): each has a condition in the language of filters, which is evaluated here.

import { isNumber } from "./expressions.js";
import { Filter } from "./filtering.js";
import { roleText, shortText } from "./formatting.js";
import { Ordering } from "./ordering.js";

const PLACE = /\{([^{}]+)\}/g; // in a detail: the name of a quantity

export class Problems {
  // `definitions`: `problems` of view.json.
  constructor({ severities, shards, daemon }, quantities) {
    this.quantities = quantities;
    this.severities = severities;
    this.ordering = new Ordering();
    this.daemonKinds = daemon;
    this.kinds = shards.map((one) => ({
      ...one,
      filter: new Filter(one.condition, quantities),
      parts: one.detail.split(PLACE).map((part, at) => (at % 2 ? quantities.get(part) : part)),
      since: one.since ? quantities.get(one.since) : null,
    }));
  }

  // The quantities that conditions, details and times read.
  get used() {
    return this.kinds.flatMap(({ filter, parts, since }) => [
      ...filter.used, ...parts.filter((part) => typeof part !== "string"), ...(since ? [since] : []),
    ]);
  }

  // Returns the problems, the worst first: `{kind, row, detail, since}`; `row` is null for zinfo
  // itself. A shard that was never polled, or whose data is stale, has none.
  //
  // `events`: the newest ones, oldest first. `now`: the daemon's wall clock.
  find(rows, events = [], now = 0) {
    const known = rows.filter((row) => row.fresh && row.state !== "new");
    const answering = known.filter((row) => row.current);
    const found = this.ofDaemon(events, now);
    for (const kind of this.kinds) {
      const matching = kind.filter.select(kind.answers ? answering : known);
      if (!matching.length) continue;
      const sorted = this.ordering.sort(matching, this.quantities.get("id"));
      for (const row of sorted) found.push(new ShardProblem(kind, row));
    }
    const severity = ({ kind }) => this.severities.indexOf(kind.severity);
    return found.sort((one, other) => severity(one) - severity(other));
  }

  // Returns how many of some problems there are of each severity: pairs, the worst first.
  count(problems) {
    return this.severities.map((severity) => [severity, problems.filter((one) => one.kind.severity === severity).length]);
  }

  // What the events of zinfo itself report, until another event ends it.
  ofDaemon(events, now) {
    const begun = new Map();
    for (const event of events) {
      if (event.shard) continue;
      for (const kind of this.daemonKinds) {
        const key = `${kind.name} ${event.reason}`;
        if (event.type === kind.ended_by && (event.type !== kind.name || event.new === "no")) begun.delete(key);
        else if (event.type === kind.name) begun.set(key, { kind, event });
      }
    }
    return this.daemonKinds.flatMap((kind) => [...begun.values()]
      .filter((one) => one.kind === kind && (!kind.seconds || now - one.event.time < kind.seconds))
      .map(({ event }) => ({
        kind, row: null, detail: [event.reason, event.message].filter(Boolean).join(": "), since: Math.max(0, now - event.time),
      })));
  }
}

// A problem of a shard; what only the visible ones need is computed on demand.
class ShardProblem {
  constructor(kind, row) {
    Object.assign(this, { kind, row });
  }

  get detail() {
    return detailOf(this.kind, this.row);
  }

  get since() {
    return sinceOf(this.kind, this.row);
  }
}

function detailOf({ parts }, row) {
  return parts.map((part) => {
    if (typeof part === "string") return part;
    const value = part.value(row);
    return part.name === "role" ? roleText(value) : shortText(value, part.unit);
  }).join("");
}

function sinceOf({ since }, row) {
  const found = since?.value(row) ?? null;
  return isNumber(found) && found >= 0 ? found : null;
}
