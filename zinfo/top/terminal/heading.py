"""The headings of the table, which sort it when they are clicked."""

from __future__ import annotations

from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.layout import Layout
from zinfo.views.formatting import safe


class Heading(Widget):
    """The column headings, with an arrow at the one that rows are sorted by.

    Marks at both ends say that there are more columns.

    Args:
        glyphs: the characters to draw with.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "Heading { height: 1; background: ansi_default; color: ansi_default; }"

    class Clicked(Message):
        """The column `name` was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._layout = Layout((), 0, 0)
        self._sorted = ("", False)

    def show(self, layout: Layout, name: str, *, ascending: bool) -> None:
        """Show the headings.

        Args:
            layout: the columns.
            name: of the quantity that rows are sorted by.
            ascending: whether in ascending order.
        """
        if (layout, (name, ascending)) != (self._layout, self._sorted):
            self._layout, self._sorted = layout, (name, ascending)
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 (textual's)
        """Return the line."""
        width = self.size.width
        sorted_by, ascending = self._sorted
        arrow = self._glyphs.rising if ascending else self._glyphs.falling
        cells: list[tuple[str, Style]] = [(" ", styles.PLAIN)] * width
        for column, left, room in self._layout.placed:
            if column.series:
                continue
            style, text = styles.HEADING, safe(column.heading)
            if column.name == sorted_by:
                style += styles.CURSOR
                text = f"{arrow}{text}" if column.right else f"{text}{arrow}"
            if cell_len(text) > room and not (column.right and cell_len(text) == room + 1):
                text = styles.fit(text, room, self._glyphs)
            begin = left + room - cell_len(text) if column.right else left
            cells[begin : begin + len(text)] = [(one, style) for one in text]
        if self._layout.hidden:
            cells[width - 1 :] = [(self._glyphs.right, styles.BOLD)]
        if self._layout.offset and self._layout.placed:
            _, left, room = self._layout.placed[0]
            cells[left + room - 1 : left + room] = [(self._glyphs.left, styles.BOLD)]
        return styles.strip(cells, width)

    def on_click(self, event: events.Click) -> None:
        """Sort by the column under the mouse."""
        column = self._layout.at(event.x)
        if column is not None and not column.series:
            self.post_message(self.Clicked(column.name))
