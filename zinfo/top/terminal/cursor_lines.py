"""A list of lines with a cursor, which stays on its item when the items move."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from zinfo.top.terminal.lines import Lines


class CursorLines(Lines):
    """A list with a cursor.

    Subclasses implement `line`, `key_of` and `action_open`, and call `show_items`.

    Attributes:
        cursor: the line that the cursor is on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home,g", "move_to(0)", "First", show=False),
        Binding("end,G", "move_to(-1)", "Last", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's)
        super().__init__(id=id)
        self.cursor = 0
        self._chosen: Hashable = None  # the item under the cursor, once the cursor was moved

    def key_of(self, index: int) -> Hashable:
        """Return what identifies the item of a line while items are added, removed and sorted."""
        raise NotImplementedError

    def find(self, key: Hashable) -> int | None:
        """Return the line of an item; None where it is not in the list."""
        return next((at for at in range(self.count) if self.key_of(at) == key), None)

    def action_open(self) -> None:
        """Act on the item under the cursor."""

    def cursor_moved(self) -> None:
        """Note that the cursor is on another item, or that the items are others."""

    def show_items(self, count: int) -> None:
        """Show the items; the cursor stays on its item where that is among them.

        Args:
            count: the number of items, which `line` and `key_of` return already.
        """
        followed = self.first <= self.cursor < self.first + self.room
        self.set_count(count)
        at: int | None = self.cursor
        if self._chosen is not None and not (
            self.cursor < count and self.key_of(self.cursor) == self._chosen
        ):
            found = self.find(self._chosen)
            at = self.cursor if found is None else found
        self.cursor = max(0, min(at or 0, count - 1))
        if self._chosen is not None and followed:  # not where the mouse wheel left it behind
            self._scroll_to_cursor()
        self.show(count)
        self.cursor_moved()

    # --- keys and mouse

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.move_cursor(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.go_to(self.first + pages * self.room)
        self.move_cursor(self.cursor + pages * self.room)

    def action_move_to(self, line: int) -> None:
        """Move the cursor to the first line, where it stays, or to the last one (-1)."""
        self.move_cursor(line if line >= 0 else self.count - 1)
        if line == 0:
            self._chosen = None

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked line; a click on the line of the cursor opens it."""
        at = event.y + self.first
        if at < self.count:
            again = at == self.cursor and self._chosen is not None
            self.move_cursor(at)
            self.clicked(event.x, again=again)

    def clicked(self, x: int, *, again: bool) -> None:  # noqa: ARG002 (for subclasses)
        """Act on a click; the cursor is on its line.

        Args:
            x: the column that was clicked.
            again: whether the cursor was on this line before.
        """
        if again:
            self.action_open()

    def move_cursor(self, line: int) -> None:
        """Move the cursor to a line, and scroll to it."""
        if not self.count:
            return
        self.cursor = max(0, min(line, self.count - 1))
        self._chosen = self.key_of(self.cursor)
        self._scroll_to_cursor()
        self.show(self.count)
        self.cursor_moved()

    def _scroll_to_cursor(self) -> None:
        if self.cursor < self.first:
            self.go_to(self.cursor)
        elif self.cursor >= self.first + self.room:
            self.go_to(self.cursor - self.room + 1)
