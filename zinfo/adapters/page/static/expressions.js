// Evaluates the expressions of quantities; the rules are those of zinfo/views/expressions.py.
// A value that is unknown is null.

export const isNumber = (value) => typeof value === "number" && !Number.isNaN(value);
const splitPaths = new Map(); // of paths that were split: the same ones for all shards
const number = (value) => (isNumber(value) ? value : null);
const PERCENT = /^[0-9]{1,9}(?:\.[0-9]{1,9})?%$/;
const KEYLESS = ["garnet_version", "sentinel_masters"]; // of servers whose INFO never has databases
const isMap = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export const own = (map, name) => (Object.hasOwn(map, name) ? (map[name] ?? null) : null);

// Returns the function that computes an expression of a row.
export function evaluator([name, ...operands]) {
  const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : null;
  if (!make) throw new Error(`unknown expression ${name}`);
  return make(...operands);
}

// Returns the fields of INFO that an expression reads. `databases`: those that a sum reads.
export function fieldsOf([name, ...operands], databases) {
  if (name === "value" || name === "rate") return [splitPath(operands[0])[0]];
  if (name === "sum") return databases;
  return operands.filter(Array.isArray).flatMap((one) => fieldsOf(one, databases));
}

// Returns the paths whose rate an expression reads.
export function ratesOf([name, ...operands]) {
  if (name === "rate") return [operands[0]];
  return operands.filter(Array.isArray).flatMap(ratesOf);
}

// Returns field and key of `FIELD.KEY`; the key is "" where there is none.
export function splitPath(path) {
  let found = splitPaths.get(path);
  if (!found) {
    const at = path.indexOf(".");
    found = at < 0 ? [path, ""] : [path.slice(0, at), path.slice(at + 1)];
    if (splitPaths.size > 10_000) splitPaths.clear();
    splitPaths.set(path, found);
  }
  return found;
}

// A fact that is empty or not finite is unknown, such as the age of a shard without INFO.
function fact(name) {
  return (row) => {
    const found = row[name] ?? null;
    return found === "" || (typeof found === "number" && !Number.isFinite(found)) ? null : found;
  };
}

function item(info, field, key) {
  const found = own(info, field);
  return isMap(found) ? own(found, key) : null;
}

function value(path) {
  const [field, key] = splitPath(path);
  return key ? (row) => item(row.info, field, key) : (row) => own(row.info, field);
}

function sum(prefix, key) {
  const named = (field) => field.startsWith(prefix) && /^[0-9]+$/.test(field.slice(prefix.length));
  return (row) => {
    let [total, numbers, maps] = [0, 0, 0];
    for (const field in row.info) {
      if (!named(field) || row.info[field] === null) continue;
      maps += 1;
      const one = number(item(row.info, field, key));
      if (one !== null) [total, numbers] = [total + one, numbers + 1];
    }
    if (numbers) return total;
    return maps === 0 && Object.keys(row.info).length && !KEYLESS.some((name) => Object.hasOwn(row.info, name)) ? 0 : null;
  };
}

function known(operand) {
  const inner = evaluator(operand);
  return (row) => {
    const found = number(inner(row));
    return found === null || found < 0 ? null : found;
  };
}

function percent(operand) {
  const inner = evaluator(operand);
  return (row) => {
    const found = inner(row);
    if (typeof found === "string" && PERCENT.test(found)) return Number(found.slice(0, -1)) / 100;
    const share = number(found);
    return share === null ? null : share / 100;
  };
}

function binary(one, other, compute) {
  const [left, right] = [evaluator(one), evaluator(other)];
  return (row) => {
    const [first, second] = [number(left(row)), number(right(row))];
    return first === null || second === null ? null : compute(first, second);
  };
}

function first(...operands) {
  const inner = operands.map(evaluator);
  return (row) => {
    for (const one of inner) {
      const found = one(row);
      if (found !== null) return found;
    }
    return null;
  };
}

const MAKERS = {
  fact,
  label: (name) => (row) => own(row.labels, name),
  value,
  rate: (path) => (row) => own(row.rates, path),
  sum,
  known,
  percent,
  add: (one, other) => binary(one, other, (first_, second) => first_ + second),
  div: (one, other) => binary(one, other, (first_, second) => (second ? first_ / second : null)),
  first,
};
