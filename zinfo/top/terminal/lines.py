"""A widget of many lines that renders visible lines only, and redraws only changed ones."""

from __future__ import annotations

from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from zinfo.top.terminal import styles


class Lines(ScrollView, can_focus=True):
    """A scrollable list of lines.

    Subclasses call `show` with the number of lines and implement `line`.

    Attributes:
        empty: what is written where there are no lines.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Lines {
        scrollbar-size: 0 0;
        overflow-x: hidden;
        height: 1fr;
        background: ansi_default;
        color: ansi_default;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's)
        super().__init__(id=id)
        self.empty = ""
        self._count = 0
        self._drawn: dict[int, Strip] = {}  # by line of the widget
        self._made: dict[tuple[int, int], Strip] = {}  # by index and width; of the present content

    def line(self, index: int, width: int) -> Strip:
        """Return one line, `width` columns wide."""
        raise NotImplementedError

    @property
    def count(self) -> int:
        """The number of lines."""
        return self._count

    @property
    def first(self) -> int:
        """The first visible line."""
        return int(self.scroll_offset.y)

    @property
    def room(self) -> int:
        """How many lines fit into the widget."""
        return max(1, self.size.height)

    def set_count(self, count: int) -> None:
        """Set the number of lines, whose content may have changed; `show` draws them."""
        self._count = count
        self._made.clear()
        size = Size(self.size.width, count)
        if size != self.virtual_size:
            self.virtual_size = size

    def show(self, count: int) -> None:
        """Redraw the visible lines that changed.

        Args:
            count: the number of lines.
        """
        self.set_count(count)
        for y in range(self.size.height):
            if self._drawn.get(y) != self._at(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def go_to(self, first: int) -> None:
        """Scroll so that this line is at the top, or as near to it as possible."""
        self.scroll_to(y=max(0, min(first, self._count - self.room)), animate=False)

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget."""
        line = self._drawn[y] = self._at(y)
        return line

    def _at(self, y: int) -> Strip:
        index, width = y + self.first, self.size.width
        made = self._made.get((index, width))
        if made is None:
            made = self._made[index, width] = self._make(index, width)
        return made

    def _make(self, index: int, width: int) -> Strip:
        if index < self._count:
            return self.line(index, width)
        if not index and self.empty:
            return styles.strip([(f" {self.empty}", styles.PLAIN)], width)
        return Strip.blank(width, styles.PLAIN)

    def position(self) -> str:
        """Return which lines are visible: `1-19 of 1000`."""
        if not self._count:
            return "none"
        last = min(self._count, self.first + self.room)
        return f"{min(self.first + 1, last)}-{last} of {self._count}"
