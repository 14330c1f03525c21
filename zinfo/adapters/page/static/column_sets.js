// Sets of columns with names: those of the server's definitions, and those saved in this browser.

const KEY = "zinfo-columns";
const MAX_SETS = 50;
const MAX_NAME = 40;

// Returns the saved sets: `{name, columns, saved: true}`. What is stored may be of another version.
export function savedSets() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return stored
      .filter(({ name, columns }) => typeof name === "string" && Array.isArray(columns))
      .slice(0, MAX_SETS)
      .map(({ name, columns }) => ({ name, columns: columns.map(String), saved: true }));
  } catch {
    return [];
  }
}

// Saves a set under a name; returns what is wrong, or "".
export function saveSet(name, columns, builtIn) {
  if (!/^[^,\s][^,]*$/.test(name) || name.length > MAX_NAME) {
    return `a name has 1 to ${MAX_NAME} characters, and no comma`;
  }
  if (builtIn.some((one) => one.name === name)) return `${name} is a set of zinfo`;
  const others = savedSets().filter((one) => one.name !== name);
  if (others.length >= MAX_SETS) return `${MAX_SETS} sets are saved: delete one first`;
  return store([...others, { name, columns }]);
}

export function deleteSet(name) {
  return store(savedSets().filter((one) => one.name !== name));
}

function store(sets) {
  try {
    localStorage.setItem(KEY, JSON.stringify(sets.map(({ name, columns }) => ({ name, columns }))));
    return "";
  } catch {
    return "this browser stores nothing for this page";
  }
}
