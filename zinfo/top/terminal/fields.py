"""The widget with every field of a shard's INFO, by section; recent changes are highlighted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.strip import Strip

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.lines import Lines
from zinfo.views.formatting import rate_text, safe, seconds_text, value_text
from zinfo.views.rows import Field, Section

HIGHLIGHT_SECONDS = 2.0
"""For how long a change is highlighted."""

# Widths of columns; the name and the value share what the others leave.
_NAME = 34
_RATE = 8
_CHANGED = 9
_MARK = 2


def layout(width: int) -> tuple[int, int]:
    """Return the widths of the columns of names and values."""
    name = min(_NAME, max(12, (width - _RATE - _CHANGED - _MARK) // 2))
    return name, max(4, width - _MARK - name - 1 - _RATE - _CHANGED)


def heading(width: int, glyphs: Glyphs) -> list[tuple[str, Style]]:
    """Return the heading above the fields."""
    name, value = layout(width)
    parts: list[tuple[str, Style]] = [(" " * _MARK, styles.PLAIN)]
    for text, room, right in (
        ("field", name, False),
        ("value", value, False),
        ("per s", _RATE, True),
        ("changed", _CHANGED, True),
    ):
        parts += [(styles.fit(text, room, glyphs, right=right), styles.HEADING)]
        if room == name and text == "field":
            parts.append((" ", styles.PLAIN))
    return parts


class Fields(Lines):
    """One line per section and field.

    Args:
        glyphs: the characters to draw with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("home,g", "move_to(0)", "First", show=False),
        Binding("end,G", "move_to(-1)", "Last", show=False),
        Binding("left", "section(-1)", "Section", key_display="left right"),
        Binding("right", "section(1)", "Section", show=False),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="fields")
        self._glyphs = glyphs
        self._lines: list[Section | Field] = []

    def show_sections(self, sections: Sequence[Section], name_filter: str = "") -> None:
        """Show the fields whose names contain `name_filter`."""
        self._lines = []
        for section in sections:
            fields = [field for field in section.fields if name_filter in field.name.lower()]
            if fields:
                self._lines += [Section(section.name, fields), *fields]
        self.show(len(self._lines))

    def line(self, index: int, width: int) -> Strip:
        """Return the line of a section or a field."""
        item = self._lines[index]
        if isinstance(item, Section):
            count = f"  {len(item.fields)} field{'' if len(item.fields) == 1 else 's'}"
            return styles.strip(
                [(f"# {safe(item.name)}", styles.HEADING), (count, styles.DIM)], width
            )
        return styles.strip(self._field(item, width), width)

    def _field(self, field: Field, width: int) -> list[tuple[str, Style]]:
        recent = field.changed is not None and field.changed < HIGHLIGHT_SECONDS
        style = styles.HIGHLIGHT if recent else styles.PLAIN
        name, value = layout(width)
        changed = "" if field.changed is None else seconds_text(field.changed)
        return [
            ("* " if recent else "  ", style),
            (styles.fit(safe(field.name), name, self._glyphs), styles.PLAIN),
            (" ", styles.PLAIN),
            (styles.fit(value_text(field.value), value, self._glyphs), style),
            (
                styles.fit(
                    "" if field.rate is None else rate_text(field.rate),
                    _RATE,
                    self._glyphs,
                    right=True,
                ),
                style,
            ),
            (styles.fit(changed, _CHANGED, self._glyphs, right=True), styles.DIM),
        ]

    @property
    def section(self) -> str:
        """The section of the first visible line."""
        for item in reversed(self._lines[: self.first + 1]):
            if isinstance(item, Section):
                return item.name
        return ""

    def action_move(self, lines: int) -> None:
        """Scroll by lines."""
        self.go_to(self.first + lines)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        self.go_to(self.first + pages * self.room)

    def action_move_to(self, line: int) -> None:
        """Scroll to the first line, or to the last one (-1)."""
        self.go_to(line if line >= 0 else self.count)

    def action_section(self, steps: int) -> None:
        """Scroll to the next or previous section."""
        starts = [at for at, item in enumerate(self._lines) if isinstance(item, Section)]
        if steps > 0:
            self.go_to(next((at for at in starts if at > self.first), self.count))
        else:
            self.go_to(next((at for at in reversed(starts) if at < self.first), 0))
