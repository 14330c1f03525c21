// The keys of the table of shards; those of the cells are in grid_keys.js.

export function tableKeys(view, { go }) {
  const grouped = () => Boolean(view.group);
  return [
    {
      key: "ArrowDown", text: "", help: "move; also ↑, ←, →, Page Up, Page Down, Home, End, Ctrl+Home, Ctrl+End, j, k",
      keys: ["ArrowUp", "PageDown", "PageUp", "Home", "End", "j", "k"], run: (event) => move(view, event),
    },
    { key: "Enter", text: "open", run: () => view.grid.keys.focus() },
    { key: ">", text: "sort", help: "sort by the next column; <: by the previous one; or press a heading", run: () => view.sortBeside(1) },
    { key: "<", text: "", run: () => view.sortBeside(-1) },
    { key: "r", text: "reverse", help: "reverse the sort order", run: () => view.sortBy(view.sort.name) },
    { key: "g", text: "group", help: "group by the next of the list", run: () => go({ group: view.choice.next() }) },
    { key: "+", text: "unfold", help: "unfold all groups", keys: ["="], run: () => view.foldAll(true), shown: grouped },
    { key: "-", text: "fold", help: "fold all groups", run: () => view.foldAll(false), shown: grouped },
    { key: "c", text: "columns", help: "choose the columns", run: () => view.chooseColumns() },
    { key: "p", text: "problems", run: () => go({ view: "problems" }) },
    { key: "e", text: "events", run: () => go({ view: "events" }) },
    {
      key: "Escape", text: "clear filter", run: () => go({ filter: "" }), shown: () => Boolean(view.parts?.filter),
    },
  ];
}

// A key outside of the table puts the focus into it; `j` and `k` move within it, too.
function move(view, { key }) {
  const { keys } = view.grid;
  if (!view.grid.element.contains(document.activeElement)) keys.focus();
  else if (key === "j") keys.go(keys.index + 1, keys.column);
  else if (key === "k") keys.go(keys.index - 1, keys.column);
}
