// Draws the lines of the table of shards: groups and shards.

import { drawGroup, drawShard } from "./cells.js";
import { aboutGroup, groupText } from "./lines.js";
import { NARROW } from "./narrow.js";

// Draws a line of a TableView into a row of its grid.
export function drawLine(view, row, line) {
  const { columns, names, recent, context } = view;
  if (line.group) {
    const { group } = line;
    const shown = { ...group, title: names.text(group.title), about: aboutGroup(group) };
    drawGroup(row, shown, columns, columns.map((one) => groupText(group, one)), () => view.toggle(line));
    return;
  }
  const { shard } = line.row;
  const id = { text: names.text(shard), href: context.href({ shard }), title: () => titleOf(line.row) };
  const spark = NARROW.matches || !recent.available ? null : (series, one) => recent.of(series, one);
  drawShard(row, line.row, columns, id, spark);
}

// Copies the whole id of the active row, also where it is shown shortened; selected text as usual.
export function copyId(grid, event) {
  const line = grid.lines[grid.keys.index];
  if (!document.getSelection().isCollapsed || !line?.row) return;
  event.clipboardData.setData("text/plain", line.row.shard);
  event.preventDefault();
}

const titleOf = ({ shard, labels }) => [shard, ...Object.entries(labels).map(([name, text]) => `${name}=${text}`)].join("\n");
