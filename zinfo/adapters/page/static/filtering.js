// Filters rows by an expression such as `site=fra ops>100 !down`; the rules are those of
// zinfo/views/filtering.py.

import { AmountError, amount } from "./amounts.js";
import { isNumber, own } from "./expressions.js";
import { FilterError, parse } from "./filter_grammar.js";
import { nearest } from "./nearest.js";
import { UnknownQuantityError } from "./quantities.js";

export { FilterError } from "./filter_grammar.js";

const MATCHED_FACTS = { state: ["status", "shown_state"], role: ["role", "shown_role"] };
const SEARCHED_FACTS = ["shard", "status", "state", "version", "role", "shown_role"];
const COMPARE = {
  ">": (one, other) => one > other,
  "<": (one, other) => one < other,
  ">=": (one, other) => one >= other,
  "<=": (one, other) => one <= other,
};
const LABEL = "label:";

export class Filter {
  // `known`: `{fields, labels}`, sets of the names that shards have, to find misspelt ones.
  // Throws FilterError if the text is invalid.
  constructor(text, quantities, known = null) {
    this.quantities = quantities;
    this.text = text.trim();
    this.node = parse(this.text);
    this.names = [...new Set(namesIn(this.node))].map((name) => this.present(name));
    const { fields = new Set(), labels = new Set() } = known ?? {};
    // What the filter reads: a name that is only a label needs no field of INFO.
    this.used = this.names
      .filter((name) => !labels.has(name) || fields.has(name) || quantities.builtIn.has(name))
      .map((name) => this.quantity(name));
    this.test = this.compile(this.node);
  }

  get fields() {
    return new Set(this.used.flatMap((one) => one.fields));
  }

  get empty() {
    return this.node.length === 1;
  }

  // Returns the rows that match, in their order.
  select(rows) {
    return this.empty ? rows : rows.filter(this.test);
  }

  // Returns what is probably a mistake, in one line; "" where there is nothing.
  problem(known) {
    for (const name of this.names) {
      const found = problemOf(name, known, this.quantities.builtIn);
      if (found) return found;
    }
    return "";
  }

  // Built-in names are found in any case; others as they are.
  present(name) {
    const lower = name.toLowerCase();
    const { formerNames, builtIn } = this.quantities;
    const found = Object.hasOwn(formerNames, lower) ? formerNames[lower] : lower;
    return builtIn.has(found) ? found : name;
  }

  quantity(name) {
    const found = this.quantities.find(name);
    if (found) return found;
    try { // a label may have any name; what has no other meaning is one
      return this.quantities.get(`${LABEL}${name}`);
    } catch (error) {
      if (error instanceof UnknownQuantityError) throw new FilterError(error.message);
      throw error;
    }
  }

  compile([kind, ...parts]) {
    if (kind === "text") return contains(parts[0]);
    if (kind === "compare") {
      const [name, sign, value] = [this.present(parts[0]), parts[1], parts[2]];
      if (sign === "=") return equals(name, this.quantity(name), value);
      if (sign === "!=") {
        const equal = equals(name, this.quantity(name), value);
        return (row) => !equal(row);
      }
      return compares(name, this.quantity(name), sign, value);
    }
    const tests = parts.map((part) => this.compile(part));
    if (kind === "not") return (row) => !tests[0](row);
    return kind === "or" ? (row) => tests.some((test) => test(row)) : (row) => tests.every((test) => test(row));
  }
}

function* namesIn([kind, ...parts]) {
  if (kind === "compare") yield parts[0];
  else for (const part of parts) if (Array.isArray(part)) yield* namesIn(part);
}

function problemOf(name, { fields = new Set(), labels = new Set() }, builtIn) {
  if (builtIn.has(name) || labels.has(name) || !(fields.size || labels.size)) return "";
  if (name.startsWith(LABEL)) {
    const label = name.slice(LABEL.length);
    return labels.has(label) ? "" : `no shard has a label ${label.slice(0, 80)}${nearest(label, labels)}`;
  }
  const path = name.replace(/\/s$/, "");
  if (!fields.size || fields.has(path) || fields.has(path.split(".")[0])) return "";
  const close = nearest(path, [...builtIn.keys(), ...labels, ...fields]);
  return `${name.slice(0, 80)} is neither a column, a field nor a label${close}`;
}

function contains(word) {
  const wanted = word.toLowerCase();
  return (row) => SEARCHED_FACTS.some((fact) => row[fact] && row[fact].toLowerCase().includes(wanted))
    || Object.entries(row.labels).some(([name, text]) => `${name}=${text}`.toLowerCase().includes(wanted));
}

function equals(name, { value: evaluate, unit, numeric }, value) {
  const same = sameText(value);
  const facts = Object.hasOwn(MATCHED_FACTS, name) ? MATCHED_FACTS[name] : null;
  const wanted = numeric ? amountOrNull(value, unit) : null;
  return (row) => {
    const label = own(row.labels, name);
    if (label !== null && same(label)) return true;
    if (facts) return facts.some((fact) => row[fact] && same(row[fact]));
    const found = evaluate(row);
    if (typeof found === "string") return same(found);
    if (!isNumber(found)) return false;
    return found === wanted || (Math.abs(found) < 2 ** 53 && Number.isInteger(found) && same(String(found)));
  };
}

function amountOrNull(value, unit) {
  try {
    return amount(value, unit);
  } catch (error) {
    if (error instanceof AmountError) return null;
    throw error;
  }
}

function sameText(value) {
  const wanted = value.toLowerCase();
  if (!/[*?]/.test(wanted)) return (text) => text.toLowerCase() === wanted;
  const pattern = [...wanted];
  return (text) => matchesPattern([...text.toLowerCase()], pattern);
}

// Whether a text matches a pattern in which * stands for any text and ? for one character. After a
// mismatch only the newest * is tried again, which takes linear time for common patterns.
function matchesPattern(text, pattern) {
  let [at, next, star, from] = [0, 0, -1, 0];
  while (at < text.length) {
    if (pattern[next] === "*") {
      [star, from] = [next, at];
      next += 1;
    } else if (pattern[next] === "?" || (next < pattern.length && pattern[next] === text[at])) {
      at += 1;
      next += 1;
    } else if (star >= 0) {
      from += 1;
      [at, next] = [from, star + 1];
    } else return false;
  }
  while (pattern[next] === "*") next += 1;
  return next === pattern.length;
}

function compares(name, { value: evaluate, unit, numeric }, sign, value) {
  const compare = COMPARE[sign];
  if (name === "version") return comparesVersions(evaluate, compare, value);
  if (!numeric) {
    throw new FilterError(
      `${name.slice(0, 80)} is a text, which has no order: compare it with = or !=, or compare a `
        + "number such as ops, memory or a field of INFO",
    );
  }
  let wanted;
  try {
    wanted = amount(value, unit);
  } catch (error) {
    if (!(error instanceof AmountError)) throw error;
    throw new FilterError(`${name.slice(0, 80)}${sign}${value.slice(0, 40)}: ${error.message}`);
  }
  return (row) => {
    const found = evaluate(row);
    return isNumber(found) && compare(found, wanted);
  };
}

// As many numbers are compared as the value has: 7.2.4 is <=7.2.
function comparesVersions(evaluate, compare, value) {
  const wanted = numbers(value);
  if (!wanted.length) throw new FilterError("a version is compared with numbers such as 7 or 7.2.4");
  return (row) => {
    const found = evaluate(row);
    return Boolean(found) && compare(compareLists(numbers(String(found)).slice(0, wanted.length), wanted), 0);
  };
}

const numbers = (text) => (text.match(/[0-9]{1,9}/g) ?? []).map(Number);

function compareLists(one, other) {
  for (let at = 0; at < Math.min(one.length, other.length); at += 1) {
    if (one[at] !== other[at]) return one[at] - other[at];
  }
  return one.length - other.length;
}
