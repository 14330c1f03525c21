// Runs the evaluators of the page over the vectors of tests/data/views, and prints what differs.
//
//     node vectors.mjs DEFINITIONS.json FOLDER_OF_VECTORS FOLDER_OF_MODULES

import { existsSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { pathToFileURL } from "node:url";

const [definitionsFile, vectors, modules] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${modules}/${name}.js`));
const { Filter } = await load("filtering");
const { exactText, shortText } = await load("formatting");
const { parse } = await load("filter_grammar");
const { groupRows } = await load("grouping");
const { shorten } = await load("names");
const { Ordering } = await load("ordering");
const { Problems } = await load("problems");
const { Quantities } = await load("quantities");
const { Row } = await load("rows");

const definitions = JSON.parse(readFileSync(definitionsFile));
const quantities = new Quantities(definitions);
let checked = 0;
let differences = 0;

function read(name) {
  const path = `${vectors}/${name}.json`;
  return existsSync(path) ? JSON.parse(readFileSync(path)) : null;
}

// Compares what a function returns with what is expected; `error`: part of the message if it throws.
function check(about, expected, error, compute) {
  checked += 1;
  let found;
  try {
    found = compute();
  } catch (thrown) {
    if (error !== undefined && thrown.message.includes(error)) return;
    found = `${thrown.name}: ${thrown.message}`;
  }
  if (error === undefined && isDeepStrictEqual(found, expected)) return;
  differences += 1;
  console.log(`${about}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected ?? error)}`);
}

// The row that a vector describes; what it leaves out is as in tests/views/vectors.py.
function rowOf({ id, ...given }) {
  const row = new Row({ state: "up", age: 0.5, interval: 1, ...given, shard: id });
  if (given.age === null) row.age = Infinity;
  return row;
}

const filters = read("filters");
if (filters) {
  const rows = filters.rows.map(rowOf);
  const known = { fields: new Set(filters.known.fields), labels: new Set(filters.known.labels) };
  for (const { text, tree, error } of filters.trees) check(`tree of ${text}`, tree, error, () => parse(text));
  for (const { text, ids, error } of filters.matches) {
    check(`filter ${text}`, ids, error, () => new Filter(text, quantities).select(rows).map((row) => row.shard));
  }
  for (const { text, fields } of filters.fields) {
    check(`fields of ${text}`, fields, undefined, () => [...new Filter(text, quantities).fields].sort());
  }
  for (const { text, problem } of filters.problems) {
    check(`problem of ${text}`, problem, undefined, () => new Filter(text, quantities).problem(known));
  }
}

const groups = read("groups");
if (groups) {
  const rows = groups.rows.map(rowOf);
  const chosen = (ids) => (ids ? ids.map((id) => rows.find((row) => row.shard === id)) : rows);
  const ordered = (some, sort, reverse) => new Ordering().sort(some, quantities.get(sort), reverse);
  for (const { sort, reverse = false, of, ids } of groups.orders) {
    check(`order by ${sort}`, ids, undefined, () => ordered(chosen(of), sort, reverse).map((row) => row.shard));
  }
  for (const { by, ids, sort, reverse = false, groups: expected, error } of groups.cases) {
    const some = sort ? ordered(chosen(ids), sort, reverse) : chosen(ids);
    check(`groups by ${by}`, expected, error, () => {
      const found = groupRows(some, by, { everything: rows, sort: sort ?? "id", reverse, quantities });
      return found.map(({ key, title, rows: members, totals }, at) => {
        const group = { key, title, ids: members.map((row) => row.shard) };
        const named = expected?.[at]?.totals;
        if (named) group.totals = Object.fromEntries(Object.keys(named).map((name) => [name, totals[name]]));
        return group;
      });
    });
  }
}

for (const { ids, width, names } of read("names")?.cases ?? []) {
  check(`names of ${ids} in ${width}`, names, undefined, () => {
    const found = shorten(ids, width);
    const fit = [...found.values()].every((name) => [...name].length <= Math.max(width, 8));
    if (!fit || new Set(found.values()).size !== new Set(ids).size) return "too long, or not unique";
    return Object.fromEntries(Object.keys(names).map((id) => [id, found.get(id)]));
  });
}

for (const { about, rows, events = [], now = 0, problems } of read("problems")?.cases ?? []) {
  check(`problems: ${about}`, problems, undefined, () => {
    const found = new Problems(definitions.problems, quantities).find(rows.map(rowOf), events, now);
    return found.map(({ kind, row, detail, since }) => [
      kind.severity, row?.shard ?? "(daemon)", kind.name, detail, since,
    ]);
  });
}

const expressions = read("expressions");
if (expressions) {
  for (const { row: values, values: expected } of expressions.cases) {
    const row = rowOf(values);
    for (const [name, value] of Object.entries(expected)) {
      check(`${name} of ${values.id}`, value, undefined, () => quantities.get(name).value(row));
    }
  }
  for (const [name, unit] of Object.entries(expressions.units)) {
    check(`unit of ${name}`, unit, undefined, () => quantities.get(name).unit);
  }
  for (const text of expressions.errors) check(`quantity ${text}`, undefined, "", () => quantities.get(text));
}

for (const [value, unit, short, exact] of read("formats")?.cases ?? []) {
  check(`text of ${JSON.stringify(value)} ${unit}`, [short, exact], undefined, () => [shortText(value, unit), exactText(value, unit)]);
}

console.log(`${checked} checked, ${differences} different`);
process.exitCode = checked && !differences ? 0 : 1;
