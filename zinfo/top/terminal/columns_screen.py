"""The screen on which the columns of the table are chosen, ordered and saved as a set."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, Label

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.cursor_lines import CursorLines
from zinfo.top.terminal.framed_screen import FramedScreen, TextScreen
from zinfo.top.terminal.head import Head
from zinfo.views.column_sets import MAX_NAME
from zinfo.views.formatting import safe
from zinfo.views.quantities import (
    BYTES_PER_SECOND,
    COUNT,
    NUMBER,
    PER_SECOND,
    RATIO,
    Quantity,
)

FIXED = "id"
"""The column that is always the first."""

_BOX = 6  # characters before a name
_UNIT = 9
_BAR_LINES = 3
_SHORT_UNITS = {
    PER_SECOND: "1/s", BYTES_PER_SECOND: "bytes/s", NUMBER: "", RATIO: "%", COUNT: "number"
}  # fmt: skip


class ColumnList(CursorLines):
    """Every column that can be chosen, with a mark at those that are.

    Args:
        quantities: what can be a column.
        chosen: names of the columns, from left to right; it is changed in place.
        glyphs: the characters to draw with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "choose", "Show or hide", key_display="Space"),
        Binding("left", "shift(-1)", "Move column", key_display="left right"),
        Binding("right", "shift(1)", "Move right", show=False),
    ]

    class Changed(Message):
        """The columns are others, or the cursor is on another one."""

    def __init__(self, quantities: Sequence[Quantity], chosen: list[str], glyphs: Glyphs) -> None:
        super().__init__(id="columns")
        self.chosen = chosen
        self._all = quantities
        self._shown = quantities
        self._glyphs = glyphs
        self._width = max(12, *(min(36, len(one.name)) for one in quantities))

    @property
    def current(self) -> str:
        """Name of the quantity under the cursor; "" where none is listed."""
        return self._shown[self.cursor].name if self._shown else ""

    def search(self, text: str) -> None:
        """Show the quantities whose name, heading or help contains a text."""
        wanted = text.strip().casefold()
        self._shown = [
            one for one in self._all if wanted in f"{one.name} {one.heading} {one.help}".casefold()
        ]
        self.show_items(len(self._shown))

    def key_of(self, index: int) -> Hashable:
        """Return the name of a quantity."""
        return self._shown[index].name

    def line(self, index: int, width: int) -> Strip:
        """Return the line of a quantity."""
        one, chosen = self._shown[index], index == self.cursor
        shown = one.name in self.chosen
        name_width = min(self._width, width * 2 // 5)
        room = max(0, width - _BOX - name_width - _UNIT)
        parts: list[tuple[str, Style]] = [
            (f"{'>' if chosen else ' '}[{'x' if shown else ' '}] ", styles.BOLD),
            (styles.fit(safe(one.name), name_width, self._glyphs) + " ", styles.BOLD),
            (styles.fit(_SHORT_UNITS.get(one.unit, one.unit), _UNIT, self._glyphs), styles.PLAIN),
            (styles.fit(safe(one.help), room, self._glyphs), styles.PLAIN),
        ]
        if chosen:
            parts = [(part, styles.CURSOR) for part, _ in parts]
        return styles.strip(parts, width)

    def cursor_moved(self) -> None:
        """Report it."""
        self.post_message(self.Changed())

    def action_choose(self) -> None:
        """Show or hide the column under the cursor."""
        name = self.current
        if name in self.chosen and name != FIXED:
            self.chosen.remove(name)
        elif name and name not in self.chosen:
            self.chosen.append(name)
        self.show_items(self.count)

    def action_shift(self, places: int) -> None:
        """Move the column under the cursor to the left or right."""
        name = self.current
        if name not in self.chosen or name == FIXED:
            return
        at = self.chosen.index(name)
        self.chosen.remove(name)
        self.chosen.insert(max(1, at + places), name)
        self.show_items(self.count)

    def clicked(self, x: int, *, again: bool) -> None:  # noqa: ARG002 (of the base class)
        """Show or hide the clicked column."""
        self.action_choose()


class ColumnsScreen(FramedScreen["tuple[str, ...] | None"]):
    """Its result is the names of the chosen columns, or None.

    Args:
        quantities: what can be a column.
        chosen: names of the present columns.
        sets: the sets of columns that can be chosen by number: name to columns.
        save: saves a set; returns "" or why that failed, in one line.
        glyphs: the characters to draw with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "done", "Done", key_display="Enter"),
        Binding("escape", "leave", "Cancel", key_display="Esc"),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("s", "save", "Save as a set"),
        *(Binding(str(number), f"use({number})", show=False) for number in range(1, 10)),
    ]
    DEFAULT_CSS = "ColumnsScreen Label { width: 1fr; height: 1; }"

    def __init__(
        self,
        quantities: Sequence[Quantity],
        chosen: Sequence[str],
        sets: Mapping[str, Sequence[str]],
        save: Callable[[str, Sequence[str]], str],
        glyphs: Glyphs,
    ) -> None:
        super().__init__("columns", glyphs, max_width=110)
        self._sets = dict(sets)
        self._save = save
        self._bar = Head(glyphs, _BAR_LINES)
        self._search = Input(placeholder="type to search", select_on_focus=False)
        self._list = ColumnList(quantities, list(chosen), glyphs)
        self._message = Label("", markup=False)

    def content(self) -> Iterator[Widget]:
        """Yield the present columns, the sets, the search and the list."""
        yield self._bar
        yield self._message
        yield self._search
        yield self._list

    def on_mount(self) -> None:
        """Put the cursor into the list."""
        super().on_mount()
        self._search.display = False
        self._message.update(self._sets_text())
        self._list.focus()

    def fit_frame(self) -> None:
        """Make the list as high as the screen allows."""
        self._list.styles.height = max(1, self.room - _BAR_LINES - 2)
        self.call_after_refresh(self._list.search, self._search.value)

    def _sets_text(self) -> str:
        return "sets: " + "  ".join(
            f"{number} {safe(name)}" for number, name in enumerate(list(self._sets)[:9], 1)
        )

    def on_column_list_changed(self) -> None:
        """Show the columns from left to right, with that under the cursor in brackets."""
        lines: list[list[tuple[str, Style]]] = [[]]
        left = width = max(10, self._bar.size.width)
        for name in self._list.chosen:
            here = name == self._list.current
            text = f"[{safe(name)}]" if here else f" {safe(name)} "
            if len(text) > left and lines[-1] and len(lines) < _BAR_LINES:
                lines.append([])
                left = width
            lines[-1].append((text, styles.CURSOR if here else styles.BOLD))
            left -= len(text)
        self._bar.put(lines)

    # --- keys

    def action_done(self) -> None:
        """End with the chosen columns."""
        self.dismiss(tuple(self._list.chosen))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """End the search: its result stays."""
        event.stop()
        self._list.focus()

    def action_leave(self) -> None:
        """End without a change; end the search first."""
        if self._search.display:
            self._search.value = ""
            self._search.display = False
            self._list.focus()
        else:
            self.dismiss(None)

    def action_search(self) -> None:
        """Type into the search."""
        self._search.display = True
        self._search.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the quantities that match what was typed."""
        event.stop()
        self._list.search(event.value)

    def action_use(self, number: int) -> None:
        """Choose the columns of a set."""
        names = list(self._sets)
        if number <= len(names):
            self._list.chosen[:] = self._sets[names[number - 1]]
            self._list.show_items(self._list.count)
            self._message.update(f"{self._sets_text()}   now: {safe(names[number - 1])}")

    def action_save(self) -> None:
        """Ask for a name, and save the columns as a set."""
        self.app.push_screen(
            TextScreen("save the columns as", self.glyphs, max_length=MAX_NAME), self._named
        )

    def _named(self, name: str | None) -> None:
        if name is None:
            return
        problem = self._save(name, tuple(self._list.chosen))
        if problem:
            self._message.update(safe(problem))
        else:
            self._sets[name] = tuple(self._list.chosen)
            self._message.update(self._sets_text())
