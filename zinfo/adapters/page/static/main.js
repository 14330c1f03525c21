// Starts the page: reads the definitions, opens the stream, and shows the view of the address.
//
// A view is a module with `open(container, parts, context)`. It returns an object with:
//   update()          called after each message of the stream, and each second without one
//   change(parts)     called when the address has changed, but not the view; optional
//   close()           called before another view is opened
//   keys              its keys, as for Keys.set; optional
//   search()          called for the key "/"; optional
// `parts` are those of address.js. `context` has:
//   store, api, definitions, quantities, problems
//   go(change), href(change)    to other parts of the address
//   want(quantities)            the quantities that the view shows, so that they are read
//   order()                     ids in the order of the table that was shown last
//   announce(text)              for screen readers
//   showKeys()                  draws the footer again

import { Address } from "./address.js";
import { Api } from "./api.js";
import { Definitions } from "./definitions.js";
import { byId, element, setText } from "./dom.js";
import { Wanted } from "./fields.js";
import { Head } from "./head.js";
import { showHelp } from "./help.js";
import { Keys } from "./keys.js";
import { ProblemWatch } from "./problem_count.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { Tokens } from "./token.js";

const VIEWS = { "": "table_view.js", problems: "problems_view.js", events: "events_view.js" };
const SHARD_VIEW = "shard_view.js";
const RETRY = 3000; // ms until view.json is read again after a failure

function announce(text) {
  setText(byId("announcement"), text);
}

class Page {
  constructor(api, definitions) {
    this.definitions = definitions;
    this.store = new Store({ isCounter: (field, key) => definitions.isCounter(field, key) });
    this.stream = new Stream(api, {
      onMessage: (message) => { this.store.apply(message); this.update(); },
      onProblem: (problem) => { this.store.lose(problem); this.update(); },
    });
    this.wanted = new Wanted(this.store, definitions.maxFields, (fields) => {
      this.stream.open(fields.map((field) => ["keys", field]));
    });
    this.problems = new ProblemWatch(definitions, this.store);
    this.head = new Head(definitions, announce);
    this.keys = new Keys();
    this.keys.page = [
      { key: "/", text: "search", run: () => this.view?.search?.(), shown: () => Boolean(this.view?.search) },
      { key: "?", text: "help", run: () => showHelp(definitions, this.keys) },
    ];
    this.address = new Address((parts) => this.show(parts));
    this.context = {
      api, definitions, announce,
      store: this.store,
      problems: this.problems,
      quantities: definitions.quantities,
      order: () => (this.rows ?? [...this.store.rows.values()]).map((row) => row.shard),
      setOrder: (rows) => { this.rows = rows; },
      go: (change, options) => this.address.go(change, options),
      href: (change) => this.address.href(change),
      want: (quantities) => this.wanted.want("view", quantities),
      showKeys: () => this.keys.show(),
    };
    this.wanted.want("problems", this.problems.used);
    this.updated = 0;
    setInterval(() => this.tick(), 1000);
    this.show(this.address.parts);
  }

  async show(parts) {
    this.head.show(parts, (change) => this.address.href(change));
    const module = parts.shard ? SHARD_VIEW : (VIEWS[parts.view] ?? VIEWS[""]);
    if (this.view?.change && this.module === module) {
      this.view.change(parts);
      return this.update();
    }
    const asked = (this.asked = {}); // the newest call, where a module takes long to load
    let opened;
    try {
      opened = await import(`./${module}`);
    } catch (error) {
      console.error(error);
      opened = { open: openNothing };
    }
    if (this.asked !== asked) return undefined;
    this.view?.close();
    byId("main").replaceChildren();
    byId("main").className = module.replace(".js", "");
    this.module = module;
    this.view = opened.open(byId("main"), this.address.parts, this.context);
    this.keys.set(this.view.keys ?? []);
    return this.update();
  }

  update() {
    this.updated = performance.now();
    this.head.update(this.store);
    this.head.setProblems(this.problems.counts());
    this.view?.update();
    this.keys.show();
  }

  // Ages grow also while no message arrives.
  tick() {
    if (document.hidden || performance.now() - this.updated < 900) return;
    this.store.tick();
    this.update();
  }
}

function openNothing(container) {
  container.append(element("p", { className: "empty" }, "This view could not be loaded. Load the page again."));
  return { update() {}, close() {} };
}

async function start() {
  const api = new Api(new Tokens());
  for (;;) {
    try {
      const definitions = new Definitions(await api.json("view.json"));
      return new Page(api, definitions);
    } catch (error) {
      console.error(error);
      byId("feed").className = "stale";
      setText(byId("feed-word"), `cannot start: ${error.message}`);
      await new Promise((resolve) => { setTimeout(resolve, RETRY); });
    }
  }
}

start();
