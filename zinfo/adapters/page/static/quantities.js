// Quantities: everything that can be a column, a name in a filter, or a sort key. The built-in ones
// are data of the server (`view.json`); zinfo/views/quantities.py has the same rules.

import { evaluator, fieldsOf, ratesOf } from "./expressions.js";

export const NUMERIC = new Set([
  "count", "number", "per second", "bytes", "bytes per second", "ratio", "seconds", "milliseconds",
  "microseconds", "time",
]);
const TIMES = new Set(["seconds", "milliseconds", "microseconds"]);
const FIELD = /^[^\s/=<>!:"]+(?:\/s)?$/;
const LABEL = "label:";
const MAX_NAME = 120;
const DATABASES = Array.from({ length: 16 }, (_, number) => `db${number}`);

// A text names no quantity; the message says why, in one line.
export class UnknownQuantityError extends Error {}

export class Quantities {
  // `definitions`: `quantities`, `former_names`, `field_units` and `databases` of view.json.
  constructor({ quantities, former_names: formerNames = {}, field_units: units = [], databases = DATABASES }) {
    this.formerNames = formerNames;
    this.databases = databases;
    this.units = units.map(({ pattern, unit }) => [new RegExp(pattern), unit]);
    this.builtIn = new Map(quantities.map((one) => [one.name, this.complete(one)]));
    this.cache = new Map();
  }

  // Returns the quantity that a text names, or throws UnknownQuantityError.
  get(text) {
    const name = Object.hasOwn(this.formerNames, text) ? this.formerNames[text] : text;
    const found = this.builtIn.get(name) ?? this.cache.get(name);
    if (found) return found;
    const made = this.complete(this.derived(name));
    if (this.cache.size > 1000) this.cache.clear();
    this.cache.set(name, made);
    return made;
  }

  // As `get`; null for a text that names none.
  find(text) {
    try {
      return this.get(text);
    } catch (error) {
      if (error instanceof UnknownQuantityError) return null;
      throw error;
    }
  }

  complete(one) {
    const evaluate = evaluator(one.expression);
    return {
      heading: one.name, help: "", falling: false, live: false, total: "", series: "", otherwise: "", ...one,
      numeric: NUMERIC.has(one.unit),
      fields: fieldsOf(one.expression, this.databases),
      ratePaths: ratesOf(one.expression),
      // A live quantity of a shard that does not answer is unknown.
      value: one.live ? (row) => (row.current ? evaluate(row) : null) : evaluate,
    };
  }

  derived(name) {
    if (name.length > MAX_NAME) {
      throw new UnknownQuantityError(`${name.slice(0, 20)}... is longer than ${MAX_NAME} characters`);
    }
    if (name.startsWith(LABEL) && name !== LABEL) {
      const label = name.slice(LABEL.length);
      return { name, heading: label, unit: "text", expression: ["label", label], help: `the label ${label}` };
    }
    if (!FIELD.test(name)) {
      throw new UnknownQuantityError(
        `'${name}' is no column: expected a name such as memory, a field of INFO, FIELD/s, or label:NAME`,
      );
    }
    if (name.endsWith("/s")) {
      const path = name.slice(0, -2);
      return {
        name, unit: this.unitOf(path) === "bytes" ? "bytes per second" : "per second",
        expression: ["rate", path], help: `growth of ${path} per second`, falling: true, live: true, total: "sum",
      };
    }
    const unit = this.unitOf(name);
    let expression = ["value", name];
    if (unit === "ratio") expression = ["percent", expression];
    else if (TIMES.has(unit)) expression = ["known", expression];
    return { name, unit, expression, help: `the field ${name} of INFO` };
  }

  // Returns the unit of a field of INFO: that of the first pattern that is found in its name.
  unitOf(field) {
    return this.units.find(([pattern]) => pattern.test(field))?.[1] ?? "number";
  }
}
