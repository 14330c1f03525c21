// Small lines of the last minutes, scaled by their own minimum and maximum.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 60;
const HEIGHT = 14;
const POINTS = 60; // values that a line shows at most

// Returns `{element, draw(series)}`. A series is `{values, version}`: the newest value last, null
// for a gap. It is drawn again if the version differs.
export function newSparkline() {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.setAttribute("class", "spark");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  picture.append(path);
  let drawn = null;
  return {
    element: picture,
    draw(series) {
      if (series?.version === drawn) return;
      drawn = series?.version;
      path.setAttribute("d", series ? pathOf(downsample(series.values, POINTS)) : "");
    },
  };
}

// Returns at most `width` values: the means of equally many, from the newest backwards.
export function downsample(values, width) {
  const size = Math.ceil(values.length / width);
  if (size <= 1) return values;
  const found = [];
  for (let end = values.length; end > 0; end -= size) {
    const known = values.slice(Math.max(0, end - size), end).filter((one) => one !== null);
    found.unshift(known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : null);
  }
  return found;
}

// Returns the path of a line; the newest value is at the right edge. A constant is a line in the
// middle, and a gap is left out.
export function pathOf(values, width = WIDTH, height = HEIGHT) {
  const known = values.filter((one) => one !== null);
  if (!known.length) return "";
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const step = width / (POINTS - 1);
  const y = (value) => (most > least ? height - 1.5 - ((value - least) / (most - least)) * (height - 3) : height / 2);
  let [path, pen] = ["", false];
  values.forEach((value, at) => {
    if (value === null) {
      pen = false;
      return;
    }
    const x = width - (values.length - 1 - at) * step;
    const alone = !pen && (values[at + 1] ?? null) === null;
    path += `${pen ? "L" : "M"}${x.toFixed(1)},${y(value).toFixed(1)}${alone ? "h.8" : ""}`;
    pen = true;
  });
  return path;
}
