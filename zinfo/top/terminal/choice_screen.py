"""A list over the screen, from which the user chooses one entry; typing searches it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.cursor_lines import CursorLines
from zinfo.top.terminal.framed_screen import FramedScreen
from zinfo.views.formatting import safe


class Choice(NamedTuple):
    """An entry of the list.

    Attributes:
        name: what identifies it, and is shown first.
        text: what it is, in a few words.
    """

    name: str
    text: str = ""


class Choices(CursorLines):
    """The entries that match the search."""

    BINDINGS: ClassVar[list[BindingType]] = []

    class Chosen(Message):
        """The entry `name` was chosen."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, choices: Sequence[Choice], present: str, glyphs: Glyphs) -> None:
        super().__init__(id="choices")
        self._all = choices
        self._shown = choices
        self._present = present
        self._glyphs = glyphs
        self._name_width = max([cell_len(safe(one.name)) for one in choices], default=0)

    def search(self, text: str) -> None:
        """Show the entries that contain a text; those whose name begins with it come first."""
        wanted = text.strip().casefold()
        found = [one for one in self._all if wanted in f"{one.name} {one.text}".casefold()]
        found.sort(key=lambda one: _rank(one.name.casefold(), wanted))
        self._shown = found
        self.cursor, self._chosen = 0, None
        if not wanted:
            names = [one.name for one in found]
            self.cursor = names.index(self._present) if self._present in names else 0
        self.show_items(len(found))
        self.move_cursor(self.cursor)

    def key_of(self, index: int) -> Hashable:
        """Return the name of an entry."""
        return self._shown[index].name

    def line(self, index: int, width: int) -> Strip:
        """Return the line of an entry."""
        one = self._shown[index]
        mark = "*" if one.name == self._present else " "
        name_width = min(self._name_width, width * 2 // 5)
        name = styles.fit(safe(one.name), name_width, self._glyphs)
        room = max(0, width - name_width - 5)
        text = styles.fit(safe(one.text), room, self._glyphs)
        chosen = index == self.cursor
        parts: list[tuple[str, Style]] = [
            (">" if chosen else " ", styles.BOLD),
            (f"{mark} {name}", styles.BOLD),
            (f"  {text}", styles.PLAIN),
        ]
        if chosen:
            parts = [(part, styles.CURSOR) for part, _ in parts]
        return styles.strip(parts, width)

    def action_open(self) -> None:
        """Choose the entry under the cursor."""
        if self._shown:
            self.post_message(self.Chosen(self._shown[self.cursor].name))

    def clicked(self, x: int, *, again: bool) -> None:  # noqa: ARG002 (of the base class)
        """Choose the clicked entry."""
        self.action_open()


def _rank(name: str, wanted: str) -> int:
    if name == wanted:
        return 0
    return 1 if name.startswith(wanted) else 2 if wanted in name else 3


class Search(Input):
    """The line above the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Choose", key_display="Enter"),
    ]


class ChoiceScreen(FramedScreen["str | None"]):
    """The list in a frame; its result is the chosen name, or None.

    Args:
        title: what is chosen.
        choices: the entries.
        present: name of the present one, which is marked; "" for none.
        glyphs: the characters to draw with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", key_display="Esc"),
        Binding("up", "move(-1)", "Move", key_display="up down"),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        present: str,
        glyphs: Glyphs,
        *,
        max_width: int = 78,
    ) -> None:
        super().__init__(title, glyphs, max_width=max_width)
        self._choices = Choices(choices, present, glyphs)
        self._count = len(choices)
        self._search = Search(placeholder="type to search", select_on_focus=False)

    def content(self) -> Iterator[Widget]:
        """Yield the search and the list."""
        yield self._search
        yield self._choices

    def on_mount(self) -> None:
        """Type into the search."""
        super().on_mount()
        self._search.focus()

    def fit_frame(self) -> None:
        """Make the list as high as its entries and the screen allow."""
        self._choices.styles.height = max(1, min(self._count, self.room - 1))
        self.call_after_refresh(self._choices.search, self._search.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the entries that match what was typed."""
        event.stop()
        self._choices.search(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """End with the entry under the cursor, after all that was typed before."""
        event.stop()
        self._choices.action_open()

    def on_choices_chosen(self, message: Choices.Chosen) -> None:
        """End with the chosen entry."""
        self.dismiss(message.name)

    def action_leave(self) -> None:
        """End without a choice."""
        self.dismiss(None)

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self._choices.action_move(lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self._choices.action_page(pages)
