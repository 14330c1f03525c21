// Where the axes of a plot begin and end, and which values are written beside them. Pure.

const STEPS = [1, 2, 2.5, 5, 10];
const WHOLE = new Set(["count", "per second"]); // units whose texts beside the axis have no decimals
const SECOND_STEPS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

// Returns the lowest and the highest value of some series; null where none is known.
export function extentOf(series) {
  let [least, most] = [Infinity, -Infinity];
  for (const values of series) {
    for (const value of values) {
      if (value === null) continue;
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  return most >= least ? { least, most } : null;
}

// Returns the range of the vertical axis: `{from, to, ticks}`.
//
// `extent`: of the values. `unit`: of the quantity. `fromZero`: whether the axis has to begin at 0;
// others begin near the lowest value, so that small changes are visible.
export function verticalAxis({ least, most }, { unit, fromZero, count = 3 }) {
  if (unit === "ratio" && most <= 1 && least >= 0) {
    if (fromZero) return { from: 0, to: 1, ticks: [0, 0.5, 1] };
  }
  const low = fromZero ? Math.min(0, least) : least;
  const span = most > low ? most - low : Math.abs(most) || 1;
  const step = Math.max(niceStep(span / count, unit), WHOLE.has(unit) ? 1 : 0);
  let from = Math.floor(low / step) * step;
  let to = Math.ceil((most > low ? most : low + span) / step) * step;
  if (to === from) to = from + step;
  if (!fromZero && least === most) [from, to] = around(most, step);
  const ticks = [];
  for (let at = 0; from + at * step <= to + step / 1000 && at < 20; at += 1) ticks.push(from + at * step);
  return { from, to, ticks };
}

// The axis of a constant: the line is in the middle.
const around = (value, step) => [Math.max(0, Math.floor(value / step) - 1) * step, (Math.ceil(value / step) + 1) * step];

// Returns a round number that is at least `rough`; for bytes, of the units K, M, G.
export function niceStep(rough, unit) {
  const base = unit?.startsWith("bytes") ? 1024 : 10;
  const power = base ** Math.floor(Math.log(rough) / Math.log(base) + 1e-9);
  const left = rough / power;
  if (base === 10) return power * (STEPS.find((one) => one >= left - 1e-9) ?? 10);
  const tens = 10 ** Math.floor(Math.log10(left) + 1e-9);
  const found = tens * (STEPS.find((one) => one >= left / tens - 1e-9) ?? 10);
  return power * Math.min(found, base);
}

// Returns the marks of the time axis: `{ago, text}`, the oldest first.
//
// `seconds`: from the oldest value to the newest. `most`: number of marks that fit.
export function timeMarks(seconds, most) {
  const step = SECOND_STEPS.find((one) => seconds / one <= most) ?? 86400;
  const marks = [];
  for (let ago = Math.floor(seconds / step) * step; ago > 0; ago -= step) marks.push({ ago, text: agoText(ago) });
  return [...marks, { ago: 0, text: "now" }];
}

export function agoText(seconds) {
  if (seconds < 60) return `-${Math.round(seconds)}s`;
  if (seconds % 3600 === 0) return `-${seconds / 3600}h`;
  return seconds % 60 ? `-${Math.floor(seconds / 60)}m${String(Math.round(seconds % 60)).padStart(2, "0")}s` : `-${seconds / 60}m`;
}

// Returns the path of a line through some values; a gap is left out, a value alone is a dot.
//
// `x`, `y`: return the place of a position and of a value.
export function linePath(values, x, y) {
  let [path, pen] = ["", false];
  values.forEach((value, at) => {
    if (value === null) {
      pen = false;
      return;
    }
    const alone = !pen && (values[at + 1] ?? null) === null;
    path += `${pen ? "L" : "M"}${x(at).toFixed(1)},${y(value).toFixed(1)}${alone ? "h1.5" : ""}`;
    pen = true;
  });
  return path;
}

// Returns the closed paths between a line and the axis, one for each part without a gap.
export function areaPath(values, x, y, bottom) {
  let [path, start] = ["", -1];
  for (let at = 0; at <= values.length; at += 1) {
    const known = at < values.length && values[at] !== null;
    if (known && start < 0) start = at;
    if (known || start < 0) continue;
    const points = values.slice(start, at).map((value, index) => `${x(start + index).toFixed(1)},${y(value).toFixed(1)}`);
    path += `M${x(start).toFixed(1)},${bottom}L${points.join("L")}L${x(at - 1).toFixed(1)},${bottom}Z`;
    start = -1;
  }
  return path;
}

// Returns lowest, mean and highest value; null where none is known.
export function summaryOf(values) {
  const known = values.filter((one) => one !== null);
  if (!known.length) return null;
  const { least, most } = extentOf([known]);
  return { least, most, mean: known.reduce((sum, one) => sum + one, 0) / known.length };
}
