// Suggests the known name that is most similar to an unknown one, as zinfo/wire/nearest.py does.

const MAX_NAME = 80;
const MAX_COMPARED = 200;
const LEAST = 0.6; // similarity of a suggestion

// Returns `, did you mean X?`; "" if no name is similar.
export function nearest(name, known) {
  if ([...name].length > MAX_NAME) return "";
  let names = [...known];
  if (names.length > MAX_COMPARED) {
    names = names
      .map((one) => ({ one, same: sameEnds(name, one) }))
      .sort((one, other) => other.same - one.same)
      .slice(0, MAX_COMPARED)
      .map(({ one }) => one);
  }
  let [best, found] = [LEAST, null];
  for (const one of names) {
    if ((2 * Math.min(one.length, name.length)) / (one.length + name.length || 1) < best) continue;
    const score = similarity(one, name);
    if (score > best || (score === best && (found === null || one > found))) [best, found] = [score, one];
  }
  return found === null ? "" : `, did you mean ${found}?`;
}

function sameEnds(one, other) {
  const begin = common(one, other);
  const reversed = [one, other].map((text) => [...text.slice(begin)].reverse().join(""));
  return begin + common(...reversed);
}

function common(one, other) {
  let at = 0;
  while (at < one.length && at < other.length && one[at] === other[at]) at += 1;
  return at;
}

// The ratio of Python's difflib: twice the characters in common, by all characters.
function similarity(a, b) {
  const total = a.length + b.length;
  return total ? (2 * matches(a, 0, a.length, b, 0, b.length)) / total : 1;
}

function matches(a, aFirst, aLast, b, bFirst, bLast) {
  let [length, aAt, bAt] = [0, 0, 0];
  let former = new Map();
  for (let i = aFirst; i < aLast; i += 1) {
    const present = new Map();
    for (let j = bFirst; j < bLast; j += 1) {
      if (a[i] !== b[j]) continue;
      const size = (former.get(j - 1) ?? 0) + 1;
      present.set(j, size);
      if (size > length) [length, aAt, bAt] = [size, i - size + 1, j - size + 1];
    }
    former = present;
  }
  if (!length) return 0;
  return length + matches(a, aFirst, aAt, b, bFirst, bAt)
    + matches(a, aAt + length, aLast, b, bAt + length, bLast);
}
