"""A widget of many lines that makes only those that are seen, and draws only those that changed."""

from __future__ import annotations

from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from zinfo.top.terminal import styles


class Lines(ScrollView, can_focus=True):
    """Lines one below the other, to be scrolled through.

    Whoever derives from it says how many there are (`show`) and what is in each (`line`).
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
        self._count = 0
        self._drawn: dict[int, Strip] = {}  # by the line of the screen

    def line(self, index: int, width: int) -> Strip:
        """Return one line, in so many columns."""
        raise NotImplementedError

    @property
    def count(self) -> int:
        """How many lines there are."""
        return self._count

    @property
    def first(self) -> int:
        """The line at the top of what is seen."""
        return int(self.scroll_offset.y)

    @property
    def room(self) -> int:
        """How many lines can be seen at a time."""
        return max(1, self.size.height)

    def show(self, count: int) -> None:
        """Show what there is now.

        Args:
            count: how many lines that is.
        """
        self._count = count
        size = Size(self.size.width, count)
        if size != self.virtual_size:
            self.virtual_size = size
        for y in range(self.size.height):
            if self._drawn.get(y) != self._at(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def go_to(self, first: int) -> None:
        """Have this line at the top, or as near to it as can be."""
        self.scroll_to(y=max(0, min(first, self._count - self.room)), animate=False)

    def render_line(self, y: int) -> Strip:
        """Return a line of the screen."""
        made = self._drawn[y] = self._at(y)
        return made

    def _at(self, y: int) -> Strip:
        index, width = y + self.first, self.size.width
        return self.line(index, width) if index < self._count else Strip.blank(width, styles.PLAIN)

    def where(self) -> str:
        """Return which lines are seen: `1-19 of 1000`."""
        if not self._count:
            return "none"
        last = min(self._count, self.first + self.room)
        return f"{min(self.first + 1, last)}-{last} of {self._count}"
