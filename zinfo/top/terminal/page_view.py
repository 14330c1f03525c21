"""The widget with the lines of a shard's page: values, links, tables, and fields by section."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.cursor_lines import CursorLines
from zinfo.views.formatting import NOTHING, exact_text, rate_text, safe, seconds_text, short_text
from zinfo.views.shard_lines import Line, Link, TableHead, TableLine, Title, ValueLine
from zinfo.views.units import NUMBER, TEXT

HIGHLIGHT_SECONDS = 2.0
"""For how long a change is highlighted."""

# Widths of columns; the label and the values share what the others leave.
_LABEL = 34
_RATE = 8
_CHANGED = 8
_MARK = 2
_NAME = 30  # the name of the quantity, where the line has room for it
_WIDE = 120  # columns from which it has
_CELL = 9  # of a table
_ROLE_WIDTH = 8


class PageView(CursorLines):
    """One line per part, value, link, and line of a table.

    Args:
        glyphs: the characters to draw with.

    Attributes:
        exact: whether values are shown with all digits.
        current: whether the values describe the present; others are dim.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "page(1)", "Page down", show=False),
        Binding("left", "section(-1)", "Section", key_display="left right"),
        Binding("right", "section(1)", "Next section", show=False),
        Binding("enter", "open", "Open", key_display="Enter"),
    ]

    class Opened(Message):
        """The link to the shard with the id `shard` was opened."""

        def __init__(self, shard: str) -> None:
            super().__init__()
            self.shard = shard

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="fields")
        self._glyphs = glyphs
        self._lines: Sequence[Line] = ()
        self._keys: Sequence[Hashable] = ()
        self.exact = False
        self.current = True

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines."""
        self._lines, self._keys = lines, _keys(lines)
        self.show_items(len(lines))

    @property
    def found(self) -> int:
        """How many lines there are without titles and headings."""
        return sum(not isinstance(line, (Title, TableHead)) for line in self._lines)

    def key_of(self, index: int) -> Hashable:
        """Return what identifies a line."""
        return self._keys[index]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether a key has an effect now."""
        if action == "open":
            return self._link() is not None
        return super().check_action(action, parameters)

    def cursor_moved(self) -> None:
        """Show the keys that work on the line."""
        self.refresh_bindings()

    def _link(self) -> Link | None:
        line = self._lines[self.cursor] if self.cursor < len(self._lines) else None
        return line if isinstance(line, Link) and line.shard else None

    def action_open(self) -> None:
        """Open the shard that the line links to."""
        link = self._link()
        if link is not None:
            self.post_message(self.Opened(link.shard))

    @property
    def section(self) -> str:
        """The title above the first visible line."""
        for item in reversed(self._lines[: self.first + 1]):
            if isinstance(item, Title):
                return item.text
        return ""

    def action_section(self, steps: int) -> None:
        """Move to the next or previous part."""
        starts = [at for at, item in enumerate(self._lines) if isinstance(item, Title)]
        if steps > 0:
            at = next((at for at in starts if at > self.cursor), len(self._lines) - 1)
        else:
            at = next((at for at in reversed(starts) if at < self.cursor), 0)
        self.move_cursor(at)
        self.go_to(at)

    # --- lines

    def line(self, index: int, width: int) -> Strip:
        """Return one line."""
        item = self._lines[index]
        parts = self._parts(item, width)
        if index == self.cursor and self.has_focus:
            text = "".join(text for text, _ in parts)
            return styles.strip([(styles.fit(text, width, self._glyphs), styles.CURSOR)], width)
        return styles.strip(styles.cut(parts, width, self._glyphs), width)

    def _parts(self, item: Line, width: int) -> list[tuple[str, Style]]:
        if isinstance(item, Title):
            count = f"  {item.lines} line{'' if item.lines == 1 else 's'}"
            return [(f"# {safe(item.text)}", styles.HEADING), (count, styles.DIM)]
        if isinstance(item, Link):
            mark = "> " if item.shard else "  "
            style = styles.BARS if item.shard else styles.PLAIN
            return [(mark, styles.BOLD), (f"{item.word:<{_ROLE_WIDTH}} ", styles.DIM),
                    (safe(item.text), style)]  # fmt: skip
        if isinstance(item, TableHead):
            return self._heads(item, width)
        if isinstance(item, TableLine):
            return self._cells(item, width)
        return self._value(item, width)

    def _heads(self, item: TableHead, width: int) -> list[tuple[str, Style]]:
        arrow = self._glyphs.falling if item.falling else self._glyphs.rising
        name = item.table.heading + (arrow if item.column < 0 else "")
        parts = [("  ", styles.PLAIN), (self._fit(name, _name_width(width)), styles.HEADING)]
        for at, column in enumerate(item.table.columns):
            text = column.heading + (arrow if at == item.column else "")
            parts += [
                (" ", styles.PLAIN),
                (self._fit(text, self._cell_width(), right=column.unit != TEXT), styles.HEADING),
            ]
        return parts

    def _cells(self, item: TableLine, width: int) -> list[tuple[str, Style]]:
        style = styles.PLAIN if self.current else styles.DIM
        parts = [("  ", style), (self._fit(safe(item.line.name), _name_width(width)), style)]
        for column, value in zip(item.table.columns, item.line.values, strict=True):
            text = self._text(value, column.unit)
            right = column.unit != TEXT
            parts += [(" ", style), (self._fit(text, self._cell_width(), right=right), style)]
        return parts

    def _cell_width(self) -> int:
        return _CELL * 2 if self.exact else _CELL

    def _value(self, item: ValueLine, width: int) -> list[tuple[str, Style]]:
        several = len(item.values) > 1
        recent = item.changed is not None and item.changed < HIGHLIGHT_SECONDS
        marked = recent or (several and item.differs)
        style = styles.HIGHLIGHT if marked else styles.PLAIN
        if not self.current and not several:
            style = styles.DIM
        label, room = value_layout(width, len(item.values))
        mark = "* " if recent else "! " if marked else "  "
        parts = [(mark, style), (self._fit(safe(item.label), label), styles.PLAIN)]
        if width >= _WIDE and not several:
            parts.append((self._fit(safe(item.name), _NAME), styles.DIM))
        for value in item.values:
            parts += [(" ", style), (self._fit(self._text(value, item.unit), room), style)]
        if not several:
            rate = "" if item.rate is None else rate_text(item.rate)
            changed = "" if item.changed is None else seconds_text(item.changed)
            parts += [
                (self._fit(rate, _RATE, right=True), style),
                (self._fit(changed, _CHANGED, right=True), styles.DIM),
            ]
        return parts

    def _text(self, value: object, unit: str) -> str:
        if value is None:
            return NOTHING
        # Numbers without a unit are not shortened: ports and process ids are among them.
        form: Callable[[object, str], str] = exact_text if self.exact else short_text
        if unit == NUMBER and isinstance(value, int):
            return str(value)
        return form(value, unit)

    def _fit(self, text: str, width: int, *, right: bool = False) -> str:
        return styles.fit(text, width, self._glyphs, right=right)


def _name_width(width: int) -> int:
    return 18 if width < _WIDE else _LABEL


def value_layout(width: int, count: int) -> tuple[int, int]:
    """Return the widths of the labels and of each value.

    Args:
        width: of the line.
        count: number of values in it.
    """
    label = min(_LABEL, max(12, width // (count + 2)))
    taken = _MARK + label + count
    if count == 1:
        taken += _RATE + _CHANGED + (_NAME if width >= _WIDE else 0)
    return label, max(4, (width - taken) // count)


def headings(width: int, glyphs: Glyphs, names: Sequence[str] = ()) -> list[tuple[str, Style]]:
    """Return the heading above the lines.

    Args:
        width: of the line.
        glyphs: the characters to draw with.
        names: of the shards, where there are several.
    """
    label, room = value_layout(width, max(1, len(names)))
    parts: list[tuple[str, Style]] = [("  ", styles.PLAIN)]
    parts.append((styles.fit("value of", label, glyphs), styles.HEADING))
    if not names:
        if width >= _WIDE:
            parts.append((styles.fit("field", _NAME, glyphs), styles.HEADING))
        parts += [
            (" ", styles.PLAIN),
            (styles.fit("value", room, glyphs), styles.HEADING),
            (styles.fit("per s", _RATE, glyphs, right=True), styles.HEADING),
            (styles.fit("changed", _CHANGED, glyphs, right=True), styles.HEADING),
        ]
    for name in names:
        parts += [(" ", styles.PLAIN), (styles.fit(name, room, glyphs), styles.HEADING)]
    return parts


def _keys(lines: Sequence[Line]) -> list[Hashable]:
    """Return what identifies each line: the title above it, and its name."""
    keys: list[Hashable] = []
    title = ""
    for item in lines:
        if isinstance(item, Title):
            title = item.text
        if isinstance(item, ValueLine):
            keys.append((title, item.name))
        elif isinstance(item, TableLine):
            keys.append((title, item.line.name))
        else:
            keys.append((title, type(item), item.text if isinstance(item, Link) else ""))
    return keys
