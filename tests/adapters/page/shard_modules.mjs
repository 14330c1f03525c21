// Tests the pure parts of a shard's view: node shard_modules.mjs FOLDER_OF_MODULES

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const [modules] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${modules}/${name}.js`));
const { agoText, areaPath, extentOf, linePath, niceStep, summaryOf, timeMarks, verticalAxis } = await load("plot_scale");
const { linesOf, sortLines } = await load("map_table");
const { exactValue, humanValue } = await load("exact");

const MIB = 1 << 20;

// The extent leaves out what is unknown.
assert.deepEqual(extentOf([[null, 3], [1, null]]), { least: 1, most: 3 });
assert.equal(extentOf([[null], []]), null);

// An axis begins at 0, or near the lowest value, and its ticks contain all values.
assert.deepEqual(verticalAxis({ least: 5, most: 94 }, { unit: "per second", fromZero: true }), { from: 0, to: 100, ticks: [0, 50, 100] });
const memory = verticalAxis({ least: 100 * MIB, most: 104 * MIB }, { unit: "bytes", fromZero: false });
assert.ok(memory.from <= 100 * MIB && memory.from > 90 * MIB && memory.to >= 104 * MIB, JSON.stringify(memory));
assert.ok(memory.ticks.every((tick) => tick % MIB === 0), "ticks are whole MiB");
assert.deepEqual(verticalAxis({ least: 0.2, most: 0.9 }, { unit: "ratio", fromZero: true }).ticks, [0, 0.5, 1]);

// A constant is in the middle, and 0 at the bottom.
const constant = verticalAxis({ least: 7 * MIB, most: 7 * MIB }, { unit: "bytes", fromZero: false });
assert.ok(constant.from < 7 * MIB && constant.to > 7 * MIB, JSON.stringify(constant));
assert.deepEqual(verticalAxis({ least: 0, most: 0 }, { unit: "count", fromZero: true }).ticks, [0, 1]);

// Whatever a server says, there are few ticks.
for (const most of [1e-300, 0.3, 1, 999, 1e9, 2 ** 53, 1e300]) {
  for (const unit of ["bytes", "count", "ratio", "seconds"]) {
    for (const fromZero of [true, false]) {
      const { from, to, ticks } = verticalAxis({ least: 0, most }, { unit, fromZero });
      assert.ok(ticks.length >= 1 && ticks.length <= 20 && from <= 0 && to >= most, `${most} ${unit}: ${ticks}`);
    }
  }
}
assert.equal(niceStep(700, "bytes"), 1000);
assert.equal(niceStep(3 * MIB, "bytes"), 5 * MIB);

// The marks of the time axis end with now.
assert.deepEqual(timeMarks(900, 4).map((one) => one.text), ["-15m", "-10m", "-5m", "now"]);
assert.equal(agoText(75), "-1m15s");
assert.equal(agoText(3600), "-1h");

// A line has a gap where a value is unknown.
const [x, y] = [(at) => at, (value) => value];
assert.equal(linePath([1, 2, null, 3], x, y), "M0.0,1.0L1.0,2.0M3.0,3.0h1.5");
assert.equal(areaPath([1, null, 2, 3], x, y, 9), "M0.0,9L0.0,1.0L0.0,9ZM2.0,9L2.0,2.0L3.0,3.0L3.0,9Z");
assert.deepEqual(summaryOf([null, 2, 4]), { least: 2, most: 4, mean: 3 });
assert.equal(summaryOf([null]), null);

// A table joins the maps of a name; a field that is no map is no line.
const table = {
  numbered: false,
  columns: [
    { prefix: "cmdstat_", key: "calls", unit: "per second", rate: true }, { prefix: "cmdstat_", key: "calls", unit: "count" },
    { prefix: "latency_percentiles_usec_", key: "p99.9", unit: "microseconds" },
  ],
};
const info = {
  cmdstat_get: { calls: 7 }, latency_percentiles_usec_get: { "p99.9": 12 }, cmdstat_x: "text", cmdstat_set: { calls: 9 },
};
const lines = linesOf(table, info, { "cmdstat_get.calls": 2 });
assert.deepEqual(lines, [{ name: "get", values: [2, 7, 12] }, { name: "set", values: [null, 9, null] }]);
assert.deepEqual(linesOf({ numbered: true, columns: [{ prefix: "db", key: "keys" }] }, { db0: { keys: 1 }, dbx: { keys: 2 } }, {}).map((one) => one.name), ["0"]);

// Lines without a value come last, in either order.
assert.deepEqual(sortLines(lines, 0, true).map((one) => one.name), ["get", "set"]);
assert.deepEqual(sortLines(lines, 0, false).map((one) => one.name), ["get", "set"]);
assert.deepEqual(sortLines(lines, 1, true).map((one) => one.name), ["set", "get"]);
assert.deepEqual(sortLines([{ name: "10", values: [] }, { name: "9", values: [] }], -1, false).map((one) => one.name), ["9", "10"]);

// Values as people read them, and exact ones.
assert.equal(humanValue(1234567, "bytes", 0), "1.2M");
assert.equal(exactValue(1234567, "bytes"), "1,234,567 bytes");
assert.equal(humanValue(250, "microseconds", 0), "250µs");
assert.equal(humanValue(0.25, "per second", 0), "0.25");
assert.equal(humanValue(1000, "time", 1090), "90s ago");
assert.equal(humanValue(0, "time", 1090), "never");
assert.equal(humanValue(null, "bytes", 0), "-");
assert.equal(exactValue("ok", "number"), "ok");
