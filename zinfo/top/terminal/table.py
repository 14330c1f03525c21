"""The table: one line per shard or group, and a cursor."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.arrangement import Arranged, GroupLine, Item
from zinfo.top.terminal.cells import Cells
from zinfo.top.terminal.cursor_lines import CursorLines
from zinfo.top.terminal.layout import MARK, Layout
from zinfo.views.columns import GAP
from zinfo.views.rows import Row, Series

FOLD_WIDTH = 2
"""Characters before the title of a group, and before the ids of its shards."""


class Table(CursorLines):
    """The lines below the headings.

    Args:
        glyphs: the characters to draw with.
        series: returns the last minutes of a shard; called for visible shards only.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="Enter"),
        Binding("enter", "fold", "Fold", key_display="Enter"),
        Binding("enter", "unfold", "Unfold", key_display="Enter"),
        Binding("space", "fold_here", "Fold", show=False),
        Binding("space", "page(1)", "Page down", show=False),
    ]

    class Opened(Message):
        """The shard with the id `shard` was opened."""

        def __init__(self, shard: str) -> None:
            super().__init__()
            self.shard = shard

    class Folded(Message):
        """The group with this key is to be folded or unfolded."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, glyphs: Glyphs, series: Callable[[str], Series | None]) -> None:
        super().__init__(id="table")
        self._glyphs = glyphs
        self._layout = Layout((), 0, 0)
        self._items: Sequence[Item] = ()
        self._grouped = False
        self._cells = Cells(glyphs, series)
        self._cursor_kind: object = None

    @property
    def item(self) -> Item | None:
        """What the cursor is on; None where there is nothing."""
        return self._items[self.cursor] if self._items else None

    def show_arranged(self, arranged: Arranged, layout: Layout, ids: Callable[[str], str]) -> None:
        """Show these lines; the cursor stays on its shard or group if that is among them.

        Args:
            arranged: the lines.
            layout: the columns.
            ids: returns a short form of an id.
        """
        self._items, self._layout = arranged.items, layout
        self._grouped = arranged.grouped
        self._cells.clear(ids)
        self.show_items(len(arranged.items))

    def key_of(self, index: int) -> Hashable:
        """Return the id of the shard, or the key of the group, of a line."""
        item = self._items[index]
        return ("group", item.group.key) if isinstance(item, GroupLine) else item.shard

    def line(self, index: int, width: int) -> Strip:
        """Return the line of a shard or a group."""
        item, chosen = self._items[index], index == self.cursor
        parts: list[tuple[str, Style]] = [((">" if chosen else " ").ljust(MARK), styles.BOLD)]
        if isinstance(item, GroupLine):
            for column, _, room in self._layout.placed:
                parts += [self._cells.of_group(item, column, room), (" " * GAP, styles.PLAIN)]
        else:
            indent = FOLD_WIDTH if self._grouped else 0
            for column, _, room in self._layout.placed:
                parts += [self._cells.of_row(item, column, room, indent)]
                parts += [(" " * GAP, styles.PLAIN)]
        if chosen:
            parts = [(text, styles.CURSOR) for text, _ in parts]
        return styles.strip(parts, width)

    def cursor_moved(self) -> None:
        """Have the footer show what Enter does."""
        item = self.item
        kind = item.folded if isinstance(item, GroupLine) else type(item)
        if kind != self._cursor_kind:
            self._cursor_kind = kind
            self.refresh_bindings()

    # --- keys and mouse

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Return whether a key has an effect on what the cursor is on."""
        item = self.item
        if action == "open":
            return isinstance(item, Row)
        if action == "fold_here":
            return self._grouped
        if action in ("fold", "unfold"):
            return isinstance(item, GroupLine) and item.folded == (action == "unfold")
        return True

    def action_open(self) -> None:
        """Open the shard under the cursor, or fold the group."""
        item = self.item
        if isinstance(item, GroupLine):
            self.action_fold()
        elif item is not None:
            self.post_message(self.Opened(item.shard))

    def action_fold(self) -> None:
        """Fold or unfold the group under the cursor."""
        if isinstance(self.item, GroupLine):
            self.post_message(self.Folded(self.item.group.key))

    def action_unfold(self) -> None:
        """Unfold the group under the cursor."""
        self.action_fold()

    def action_fold_here(self) -> None:
        """Fold or unfold the group of the line of the cursor, and go to it."""
        at = self.cursor
        while at > 0 and not isinstance(self._items[at], GroupLine):
            at -= 1
        self.move_cursor(at)
        self.action_fold()

    def clicked(self, x: int, *, again: bool) -> None:  # noqa: ARG002 (of the base class)
        """Fold a clicked group; open a shard that is clicked a second time."""
        if isinstance(self.item, GroupLine) or again:
            self.action_open()
