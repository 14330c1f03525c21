// Shortens the ids of shards for a column: what does not tell them apart is left out.
//
// An id is cut into parts at - . _ : and /. The parts at which ids with the same begin differ are
// always shown; as many others as fit are shown from the left, and … stands for those left out:
// prod-ap-southeast-1…0017-a…

const PART = /[^-._:/]*[-._:/]|[^-._:/]+$/g;
const ELLIPSIS = "…";

// Returns a function that gives the text of an id in at most `width` characters, where the parts
// that tell it apart leave room for that.
export function shortener(ids, width) {
  if (!ids.some((id) => id.length > width)) return (id) => id;
  const parts = new Map([...ids].sort().map((id) => [id, id.match(PART) ?? [id]]));
  const all = [...parts.values()];
  const telling = new Map(all.map((one) => [one, new Set()]));
  mark(all, telling);
  const texts = new Map();
  return (id) => {
    if (id.length <= width || !parts.has(id)) return id;
    if (!texts.has(id)) texts.set(id, fit(parts.get(id), telling.get(parts.get(id)), width));
    return texts.get(id);
  };
}

// Marks the parts at which ids differ. `all`: the parts of each id, sorted.
function mark(all, telling) {
  const open = [[0, all.length, 0]]; // ranges of ids with the same begin, and its number of parts
  while (open.length) {
    const [first, last, depth] = open.pop();
    let begin = first;
    for (let at = first + 1; at <= last; at += 1) {
      if (at < last && all[at][depth] === all[begin][depth]) continue;
      if (at - begin > 1 && all[begin][depth] !== undefined) open.push([begin, at, depth + 1]);
      if (begin > first || at < last) for (const one of all.slice(begin, at)) telling.get(one).add(depth);
      begin = at;
    }
  }
}

function fit(parts, telling, width) {
  const shown = new Set(telling);
  let text = textOf(parts, shown);
  for (let at = 0; at < parts.length; at += 1) {
    if (shown.has(at)) continue;
    shown.add(at);
    const longer = textOf(parts, shown);
    if (longer.length > width) return text;
    text = longer;
  }
  return text;
}

function textOf(parts, shown) {
  let [text, gap] = ["", false];
  parts.forEach((part, at) => {
    if (shown.has(at)) {
      text += part;
      gap = false;
    } else if (!gap) {
      text = text.replace(/[-._:/]$/, "") + ELLIPSIS;
      gap = true;
    }
  });
  return text;
}
