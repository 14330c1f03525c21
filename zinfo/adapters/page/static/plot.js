// A plot of one number of one shard or of two, with axes and a cursor.

import { element, setAttribute, setText } from "./dom.js";
import { clockText, shortText } from "./formatting.js";
import { agoText, areaPath, extentOf, linePath, summaryOf, timeMarks, verticalAxis } from "./plot_scale.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 112;
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 8, 18]; // margins for the texts of the axes
const MARK_WIDTH = 64; // pixels that a time needs
const FROM_ZERO = new Set(["ops", "clients", "net_in", "net_out", "evicted", "lag", "hit_ratio"]);

function svg(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

export class Plot {
  // `quantity`: what is plotted; its `series` names the values. `cursor`: shared by all plots.
  constructor(quantity, cursor) {
    this.quantity = quantity;
    this.cursor = cursor;
    this.now = element("b", {});
    this.range = element("span", { className: "range" });
    this.readout = element("span", { className: "readout" });
    this.picture = svg("svg", { role: "img", tabindex: "0", height: HEIGHT });
    this.element = element(
      "figure", { className: "plot" },
      element("figcaption", {}, element("span", { className: "name", title: quantity.help }, quantity.heading), this.now, this.range, this.readout),
      this.picture,
    );
    this.picture.addEventListener("pointermove", (event) => this.point(event));
    this.picture.addEventListener("pointerleave", () => this.cursor.set(null));
    this.picture.addEventListener("keydown", (event) => this.move(event));
    this.picture.addEventListener("blur", () => this.cursor.set(null));
    this.width = 0;
    this.observer = new ResizeObserver(([entry]) => {
      this.width = Math.round(entry.contentRect.width);
      this.draw();
    });
    this.observer.observe(this.picture.parentElement);
  }

  close() {
    this.observer.disconnect();
  }

  // Shows series: `[{values, newest, step, place}]`, where `place` is 0 or 1 for the shard, of all
  // shards that have one. `present`: texts of now, of each shard.
  show(series, present) {
    this.series = series;
    this.several = present.length > 1;
    setText(this.now, present.join(" / "));
    this.draw();
  }

  text(value) {
    return shortText(value, this.quantity.unit);
  }

  draw() {
    const { series = [] } = this;
    const points = Math.max(0, ...series.map((one) => one.values.length));
    const extent = extentOf(series.map((one) => one.values));
    this.element.classList.toggle("empty", !extent);
    setAttribute(this.picture, "aria-label", this.description(series));
    if (!this.width) return;
    this.picture.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    if (!extent) {
      setText(this.range, "");
      this.picture.replaceChildren(svg("text", { class: "none", x: this.width / 2, y: HEIGHT / 2 }, "no values"));
      return;
    }
    setText(this.range, `min ${this.text(extent.least)}  max ${this.text(extent.most)}`);
    const axis = verticalAxis(extent, { unit: this.quantity.unit, fromZero: FROM_ZERO.has(this.quantity.series) });
    const step = series[0].step;
    const inner = this.width - LEFT - RIGHT;
    this.points = points;
    this.x = (at) => (points > 1 ? LEFT + (inner * at) / (points - 1) : LEFT + inner);
    this.y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - axis.from) / (axis.to - axis.from));
    const parts = [...axis.ticks.flatMap((tick) => this.tick(tick)), ...this.times((points - 1) * step)];
    series.forEach(({ values, place }) => parts.push(...this.line(values, place, points)));
    this.mark = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM });
    this.picture.replaceChildren(...parts, this.mark);
    this.showCursor();
  }

  tick(value) {
    const y = this.y(value);
    return [
      svg("line", { class: "grid-line", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }),
      svg("text", { class: "value", x: LEFT - 6, y: y + 3.5 }, this.text(value)),
    ];
  }

  times(seconds) {
    const inner = this.width - LEFT - RIGHT;
    return timeMarks(seconds, Math.max(1, Math.floor(inner / MARK_WIDTH))).map(({ ago, text }) => svg(
      "text", { class: ago ? "time" : "time last", x: LEFT + inner * (seconds ? 1 - ago / seconds : 1), y: HEIGHT - 5 }, text,
    ));
  }

  line(values, at, points) {
    const offset = points - values.length;
    const x = (position) => this.x(position + offset);
    const line = svg("path", { class: `line line-${at}`, d: linePath(values, x, this.y) });
    if (this.several) return [line];
    return [svg("path", { class: "area", d: areaPath(values, x, this.y, HEIGHT - BOTTOM) }), line];
  }

  // --- the cursor: seconds before the newest value, the same in all plots

  point(event) {
    if (!this.x) return;
    const { left } = this.picture.getBoundingClientRect();
    const inner = this.width - LEFT - RIGHT;
    const at = Math.round(((event.clientX - left - LEFT) / inner) * (this.points - 1));
    this.cursor.set((this.points - 1 - Math.max(0, Math.min(this.points - 1, at))) * this.series[0].step);
  }

  move(event) {
    const step = this.series?.[0]?.step;
    const by = { ArrowLeft: step, ArrowRight: -step, PageUp: step * 12, PageDown: -step * 12, Home: Infinity, End: -Infinity }[event.key];
    if (!step || by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const last = (this.points - 1) * step;
    this.cursor.set(Math.max(0, Math.min(last, (this.cursor.ago ?? 0) + by)), true);
  }

  showCursor() {
    const ago = this.cursor.ago;
    this.element.classList.toggle("pointed", ago !== null);
    if (!this.mark || !this.series?.length) return;
    this.mark.toggleAttribute("hidden", ago === null);
    if (ago === null) {
      setText(this.readout, "");
      return;
    }
    const at = this.points - 1 - Math.round(ago / this.series[0].step);
    const x = this.x(at);
    this.mark.setAttribute("x1", x);
    this.mark.setAttribute("x2", x);
    setText(this.readout, this.valueAt(ago));
  }

  valueAt(ago) {
    const { step, newest } = this.series[0];
    const values = this.series.map((one) => {
      const value = one.values[one.values.length - 1 - Math.round(ago / step)] ?? null;
      return value === null ? "no value" : this.text(value);
    });
    return `${clockText(newest - ago)} (${ago ? agoText(ago) : "newest"})  ${values.join(" / ")}`;
  }

  description(series) {
    const name = this.quantity.help;
    const texts = series.map(({ values, step }) => {
      const summary = summaryOf(values);
      const minutes = Math.round((values.length * step) / 60);
      if (!summary) return "no values";
      return `last ${minutes} minutes: from ${this.text(summary.least)} to ${this.text(summary.most)}, mean ${this.text(summary.mean)}`;
    });
    return `${name}, ${texts.join("; the other shard: ") || "no values"}`;
  }
}

// The cursor of several plots.
export class PlotCursor {
  constructor(announce) {
    this.ago = null; // seconds before the newest value; null where no plot is pointed at
    this.plots = [];
    this.announce = announce;
  }

  set(ago, byKey = false) {
    this.ago = ago;
    for (const plot of this.plots) plot.showCursor();
    if (byKey) this.announce(document.activeElement?.closest("figure")?.querySelector(".readout")?.textContent ?? "");
  }
}
