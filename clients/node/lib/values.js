// Comparison of decoded values.

/** Return whether a value is a map. */
export function isMap(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Return whether two decoded values are equal. */
export function same(one, other) {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => same(item, other[index]));
  }
  if (isMap(one) && isMap(other)) {
    const names = Object.keys(one);
    return (
      names.length === Object.keys(other).length &&
      names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]))
    );
  }
  return one === other;
}
