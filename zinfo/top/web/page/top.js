// zinfo top: draws the messages of the server's streams. All text is set as text, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const HIGHLIGHT_SECONDS = 3; // for how long a changed field is highlighted
const SILENCE_MS = 4000; // without a message for so long, the stream counts as broken
const NO_ANSWER = { fresh: false, problem: "zinfo top does not answer" };
const FORMER_COLUMNS = { every: "interval" }; // in addresses that were saved before a column was renamed

let columns = [];
let rows = new Map(); // id -> {element, cells, texts, keys}
let sorting = { at: 0, reverse: false };
let chosen = null; // id of the row under the cursor
let source = null; // the open stream
let silenceTimer = null; // runs out when the stream sends nothing

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// --- the address: a shard's page (#shard=ID) or the table, with filter and sort order, to be shared

function address() {
  const words = new URLSearchParams(location.hash.slice(1));
  return { shard: words.get("shard"), filter: words.get("filter") || "", sort: words.get("sort") || "" };
}

function go(change) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...address(), ...change })) if (value) words.set(name, value);
  location.hash = words.toString();
}

window.addEventListener("hashchange", show);

// A hidden tab closes its stream: a browser has only six connections to a server for all its tabs.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) show();
  else if (source) {
    clearTimeout(silenceTimer);
    source.close();
    source = null;
  }
});

function show() {
  const { shard, filter, sort } = address();
  byId("fleet").hidden = Boolean(shard);
  byId("shard").hidden = !shard;
  if (document.activeElement !== byId("filter")) byId("filter").value = filter;
  readSorting(sort);
  byId("problem").textContent = "";
  if (shard) open("shard?" + new URLSearchParams({ id: shard }), drawShard);
  else open("stream?" + new URLSearchParams({ filter }), drawFleet, clearTable);
  document.title = (shard || "zinfo top") + (shard ? " - zinfo top" : "");
}

// --- streams

function open(path, draw, begin) {
  if (document.hidden || (source && source.path === path)) return;
  if (source) source.close();
  if (begin) begin();
  const mine = source = new EventSource(path);
  mine.path = path;
  restartSilenceTimer();
  mine.onmessage = (message) => {
    restartSilenceTimer();
    const update = JSON.parse(message.data);
    showFeed(update.feed);
    draw(update);
  };
  mine.onerror = () => {
    if (mine !== source) return;
    if (mine.readyState === EventSource.CLOSED) showRefusal(mine);
    else {
      showFeed(NO_ANSWER);
      if (begin) begin(); // the browser reconnects, and gets everything again
    }
  };
}

function restartSilenceTimer() {
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(() => showFeed(NO_ANSWER), SILENCE_MS);
}

async function showRefusal(refused) {
  // An EventSource does not say why it was refused: request the same address once more.
  const response = await fetch(refused.path).catch(() => null);
  if (response && response.ok) response.body.cancel().catch(() => {});
  const why = response && !response.ok ? (await response.json()).error.message : NO_ANSWER.problem;
  if (refused !== source) return; // the user left meanwhile
  clearTimeout(silenceTimer);
  if (response && response.status === 400) { // the filter is invalid: wait until it is changed
    byId("problem").textContent = why;
    byId("feed").className = byId("feed").textContent = "";
    return;
  }
  showFeed({ fresh: false, problem: why });
  setTimeout(() => {
    if (refused !== source) return;
    source = null;
    show();
  }, 1000);
}

function showFeed(feed) {
  const label = byId("feed");
  label.className = feed.fresh ? "fresh" : "stale";
  const since = feed.seconds ? ` (for ${Math.round(feed.seconds)} s)` : "";
  const missing = feed.missing || [];
  if (feed.fresh && missing.length) label.className = "stale";
  byId("daemons").textContent = feed.daemons || "";
  if (feed.fresh) label.textContent = missing.length ? `missing: ${missing.join("; ")}` : "live";
  else label.textContent = `stale: ${feed.problem || "waiting for the daemon"}${since}`;
}

// --- the table

function readSorting(text) {
  const reverse = text.startsWith("-");
  const wanted = text.replace("-", "");
  const name = FORMER_COLUMNS[wanted] || wanted;
  const at = columns.findIndex((column) => column.name && column.name === name);
  sorting = { at: at < 0 ? 0 : at, reverse };
  drawHeadings();
  order();
}

function drawHeadings() {
  const head = byId("table").tHead.rows[0];
  head.replaceChildren(...columns.map((column, at) => {
    const arrow = at === sorting.at && column.name ? (column.falling !== sorting.reverse ? " \u25bc" : " \u25b2") : "";
    const cell = element("th", column.heading + arrow, column.right ? "right" : "");
    if (!column.name) cell.classList.add("plain");
    else cell.addEventListener("click", () => {
      const reverse = at === sorting.at && !sorting.reverse;
      go({ sort: (reverse ? "-" : "") + column.name });
    });
    if (at === sorting.at) cell.ariaSort = column.falling !== sorting.reverse ? "descending" : "ascending";
    return cell;
  }));
}

function clearTable() {
  rows.clear();
  byId("empty").hidden = true;
  byId("table").tBodies[0].replaceChildren();
}

function newRow(id) {
  const row = { element: element("tr"), cells: [], texts: [], keys: [] };
  row.element.dataset.shard = id;
  row.element.addEventListener("click", () => go({ shard: id }));
  columns.forEach((column) => {
    const cell = element("td", "", column.right ? "right" : "");
    if (column.name === "state") cell.classList.add("state");
    if (column.series) cell.append(spark());
    row.cells.push(cell);
    row.element.append(cell);
  });
  return row;
}

function spark() {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "spark");
  picture.setAttribute("viewBox", "0 0 100 20");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  return picture;
}

function draw(picture, points, width, height) {
  // One line for each run of known values.
  const step = width / Math.max(1, points.length - 1);
  const lines = [];
  let line = [];
  points.forEach((value, at) => {
    if (value === null) {
      if (line.length) lines.push(line);
      line = [];
    } else line.push(`${(at * step).toFixed(1)},${(height - 1 - value * (height - 2)).toFixed(1)}`);
  });
  if (line.length) lines.push(line);
  picture.replaceChildren(...lines.map((one) => {
    const made = document.createElementNS(SVG, "polyline");
    made.setAttribute("points", (one.length > 1 ? one : [one[0], one[0]]).join(" "));
    return made;
  }));
}

function drawFleet(update) {
  byId("totals").replaceChildren(...update.totals.map(([word, value]) => {
    const pair = element("span", word, `word ${word}`);
    pair.append(element("b", value));
    return pair;
  }));
  for (const id of update.gone) {
    const row = rows.get(id);
    if (row) row.element.remove();
    rows.delete(id);
  }
  for (const [id, { state, cells }] of Object.entries(update.rows)) {
    let row = rows.get(id);
    if (!row) rows.set(id, (row = newRow(id)));
    row.element.className = state + (id === chosen ? " chosen" : "");
    for (const [at, text, key] of cells) {
      if (!columns[at].series && row.texts[at] !== text) row.cells[at].textContent = text;
      row.texts[at] = text;
      row.keys[at] = key;
      if (at === 0) row.cells[at].title = text;
    }
  }
  for (const [id, sparks] of Object.entries(update.sparks)) {
    const row = rows.get(id);
    if (row) columns.forEach((column, at) => {
      if (column.series && sparks[column.series]) draw(row.cells[at].firstChild, sparks[column.series], 100, 20);
    });
  }
  order();
  byId("count").textContent = `${rows.size} shown`;
  byId("empty").hidden = rows.size > 0;
  byId("empty").textContent = update.feed.fresh
    ? (address().filter ? "No shard matches the filter." : "The daemon has no shards.")
    : "The shards are being read. Totals and plots begin now: nothing is read while no page is open.";
  if (update.events) drawEvents(byId("events").querySelector("ol"), update.events);
}

function compare(one, other) {
  if (Array.isArray(one) && Array.isArray(other)) {
    for (let at = 0; at < Math.min(one.length, other.length); at += 1) {
      const found = compare(one[at], other[at]);
      if (found) return found;
    }
    return one.length - other.length;
  }
  if (typeof one === typeof other) return one < other ? -1 : one > other ? 1 : 0;
  return typeof one === "number" ? -1 : 1;
}

function order() {
  if (!columns.length || !rows.size) return;
  const { at, reverse } = sorting;
  const sign = columns[at].falling !== reverse ? -1 : 1;
  const sorted = [...rows.values()].sort((one, other) => {
    const [mine, theirs] = [one.keys[at] ?? null, other.keys[at] ?? null];
    if ((mine === null) !== (theirs === null)) return mine === null ? 1 : -1; // unknown: last
    return (mine === null ? 0 : sign * compare(mine, theirs)) || compare(one.keys[0], other.keys[0]);
  });
  const body = byId("table").tBodies[0];
  sorted.forEach((row, index) => {
    if (body.children[index] !== row.element) body.insertBefore(row.element, body.children[index] || null);
  });
}

function drawEvents(list, events) {
  list.replaceChildren(...[...events].reverse().map(([time, shard, type, text]) => {
    const line = element("li");
    const where = element("span", shard, "shard");
    where.title = shard;
    line.append(element("time", time), where, element("span", text, `word ${type}`));
    return line;
  }));
}

// --- one shard's page

function drawShard({ page }) {
  const id = address().shard;
  byId("name").textContent = id;
  if (!page) {
    byId("about").textContent = "This shard is not watched, or no longer.";
    for (const name of ["plots", "sections"]) byId(name).replaceChildren();
    return;
  }
  const about = columns.map((column, at) => (column.name && at ? `${column.heading} ${page.cells[at]}` : ""));
  byId("about").replaceChildren(
    element("span", page.status, `word ${page.state}`),
    " · " + about.slice(2).filter(Boolean).join(" · ") + (page.labels ? ` · ${page.labels}` : "") + (page.copies ? ` · ${page.copies}` : ""),
  );
  byId("plots").replaceChildren(...page.plots.map((plot) => {
    const figure = element("figure");
    const caption = element("figcaption");
    const name = element("span", `${plot.name} `);
    name.append(element("b", plot.now));
    caption.append(name, element("span", `max ${plot.top}, last ${plot.minutes} minutes`));
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", "0 0 300 60");
    picture.setAttribute("preserveAspectRatio", "none");
    draw(picture, plot.points, 300, 60);
    figure.append(caption, picture);
    return figure;
  }));
  drawSections(page.sections);
  drawEvents(byId("history").querySelector("ol"), page.events);
}

function drawSections(sections) {
  // Cells are updated in place, so that selected text stays selected.
  const box = byId("sections");
  const shape = sections.map(([title, fields]) => title + fields.map(([name]) => name)).join();
  if (box.dataset.shape !== shape) {
    box.dataset.shape = shape;
    box.replaceChildren(...sections.map(([title, fields]) => {
      const section = element("section");
      const table = element("table");
      for (const [name] of fields) {
        const row = table.insertRow();
        row.append(element("td", name), element("td"), element("td"));
      }
      section.append(element("h3", title || "Fields"), table);
      return section;
    }));
  }
  sections.forEach(([, fields], at) => {
    const table = box.children[at].querySelector("table");
    fields.forEach(([, value, rate, changed], index) => {
      const row = table.rows[index];
      row.className = changed !== null && changed < HIGHLIGHT_SECONDS ? "changed" : "";
      if (row.cells[1].textContent !== value) row.cells[1].textContent = value;
      row.cells[2].textContent = rate;
    });
  });
}

// --- keys

function move(by) {
  const all = [...byId("table").tBodies[0].children];
  if (!all.length) return;
  const now = all.findIndex((row) => row.dataset.shard === chosen);
  const next = all[Math.max(0, Math.min(all.length - 1, now < 0 ? 0 : now + by))];
  if (now >= 0) all[now].classList.remove("chosen");
  chosen = next.dataset.shard;
  next.classList.add("chosen");
  next.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  "/": () => byId("filter").focus(),
  "?": () => byId("help").showModal(),
  e: () => { byId("events").hidden = !byId("events").hidden; },
  Escape: () => (address().shard ? go({ shard: "" }) : go({ filter: "" })),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  PageDown: () => move(20),
  PageUp: () => move(-20),
  Enter: () => chosen && go({ shard: chosen }),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  const typing = document.activeElement === byId("filter");
  if (typing) {
    if (event.key === "Escape") {
      byId("filter").blur();
      byId("filter").value = "";
      go({ filter: "" });
    }
    return;
  }
  const act = KEYS[event.key];
  if (!act || (address().shard && event.key.match(/^(Arrow|Page|Enter)/))) return;
  event.preventDefault();
  act();
});

let typed = null;
byId("filter").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => go({ filter: byId("filter").value.trim() }), 250);
});
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("filter").blur();
});
byId("back").addEventListener("click", (event) => {
  event.preventDefault();
  go({ shard: "" });
});

async function begin() {
  const facts = await (await fetch("columns")).json();
  columns = facts.columns;
  byId("endpoint").textContent = byId("endpoint").title = facts.endpoint; // several may be cut off
  for (const [form, meaning] of facts.grammar) {
    const row = byId("grammar").insertRow();
    row.append(element("td", form), element("td", meaning));
  }
  show();
}

begin().catch(() => showFeed({ fresh: false, problem: "zinfo top does not answer; load the page again" }));
