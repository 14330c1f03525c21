// Short names of shards, as zinfo/views/names.py makes them: parts of the ids that distinguish no
// shards are elided, so that a column fits them.
//
// Ids are divided before each - . _ : and /. Lengths are in characters, not in units of UTF-16.

const ELLIPSIS = "…";
const MIN_WIDTH = 8;
const MAX_PARTS = 32; // of an id; what follows is one part
const DROPPED = /^[-._/]+/; // separators that are left out after an ellipsis

const lengthOf = (text) => [...text].length;

// Returns a map from each id to a name of at most `width` characters, unique among them.
export function shorten(ids, width) {
  const room = Math.max(width, MIN_WIDTH);
  const known = [...new Set(ids)].sort(byCodePoint);
  if (known.every((one) => lengthOf(one) <= room)) return new Map(known.map((one) => [one, one]));
  const root = { children: new Map(), ends: false };
  const parts = new Map(known.map((one) => [one, partsOf(one)]));
  for (const list of parts.values()) {
    let node = root;
    for (const part of list) {
      if (!node.children.has(part)) node.children.set(part, { children: new Map(), ends: false });
      node = node.children.get(part);
    }
    node.ends = true;
  }
  const names = new Map(known.map((one) => [one, short(parts.get(one), keptOf(root, parts.get(one)), room)]));
  return unique(names, room);
}

function byCodePoint(one, other) {
  const [a, b] = [[...one], [...other]];
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    if (a[at] !== b[at]) return a[at].codePointAt(0) - b[at].codePointAt(0);
  }
  return a.length - b.length;
}

function partsOf(one) {
  const found = one.match(/[-._:/][^-._:/]*|^[^-._:/]+/g) ?? [""];
  const cut = one.search(/[-._:/]/) === 0 ? MAX_PARTS : MAX_PARTS + 1; // an empty part before it counts
  return found.length > cut ? [...found.slice(0, cut - 1), found.slice(cut - 1).join("")] : found;
}

// Returns which parts distinguish an id from others.
function keptOf(root, parts) {
  let node = root;
  return parts.map((part) => {
    const divides = node.children.size + (node.ends ? 1 : 0) > 1;
    node = node.children.get(part);
    return divides;
  });
}

// Returns the longest form of an id that fits into a width.
function short(parts, kept, width) {
  let text = "";
  for (const shown of formsOf(kept)) {
    text = textOf(parts, shown);
    if (lengthOf(text) <= width) return textOf(parts, filled(parts, shown, width));
  }
  return crop(text, width);
}

// Yields which parts are shown, from the whole id to the distinguishing parts.
function* formsOf(given) {
  const kept = given.includes(true) ? given : [true, ...given.slice(1)];
  const [first, last, end] = [kept.indexOf(true), kept.lastIndexOf(true), kept.length - 1];
  yield kept.map(() => true);
  yield kept.map((_, at) => at <= last || at === end);
  yield kept.map((_, at) => (first <= at && at <= last) || at === end);
  yield [...kept.slice(0, -1), true];
  yield kept;
}

// Returns the form with more parts, from the left, as far as there is room between others.
function filled(parts, shown, width) {
  const [first, last, found] = [shown.indexOf(true), shown.lastIndexOf(true), [...shown]];
  let spare = width - lengthOf(textOf(parts, shown));
  for (let at = first + 1; at < last; at += 1) {
    if (found[at] || !found[at - 1] || lengthOf(parts[at]) > spare) continue;
    found[at] = true;
    spare -= lengthOf(parts[at]);
  }
  return found;
}

// Returns the parts that are shown, with an ellipsis for each run of others.
function textOf(parts, shown) {
  let [text, hidden] = ["", ""];
  parts.forEach((part, at) => {
    if (!shown[at]) {
      hidden += part;
      return;
    }
    if (lengthOf(hidden) > 1) text += ELLIPSIS + (part.replace(DROPPED, "") || part);
    else text += hidden + part;
    hidden = "";
  });
  return text + (lengthOf(hidden) > 1 ? ELLIPSIS : hidden);
}

// Returns begin and end of a text.
function crop(text, width) {
  const characters = [...text];
  const end = Math.floor((width - 1) / 2);
  const begin = characters.slice(0, Math.max(0, width - 1 - end));
  return [...begin, ELLIPSIS, ...characters.slice(characters.length - end)].join("");
}

// Returns the names, with a number at the end of those that are equal.
function unique(names, width) {
  const counts = new Map();
  for (const name of names.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
  const used = new Set([...counts].filter(([, count]) => count === 1).map(([name]) => name));
  const numbers = new Map();
  for (const [one, name] of names) {
    if (counts.get(name) === 1) continue;
    let found = name;
    while (found === name || used.has(found)) {
      numbers.set(name, (numbers.get(name) ?? 0) + 1);
      const end = `~${numbers.get(name)}`;
      const room = Math.max(0, width - end.length);
      found = (lengthOf(name) <= room ? name : crop(name, room)) + end;
    }
    used.add(found);
    names.set(one, found);
  }
  return names;
}
