"""The last line of a screen: the keys that have an effect now, as many as fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.keys import key_to_character
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from zinfo.top.terminal import styles

_GAP = 2
"""Characters between two keys."""

_ALWAYS = ("question_mark", "q")
"""Keys that are listed last, and are never left out: help and quit."""

_SIGNS = ("slash", "plus", "minus")
"""Keys with a character for which textual has no other name."""

_KEY = Style(bold=True, color="cyan")


class _Shown(NamedTuple):
    """A key of the footer: what it is called, what it does, and the key that a click presses."""

    name: str
    text: str
    key: str

    @property
    def width(self) -> int:
        return cell_len(self.name) + 1 + cell_len(self.text)


class Footer(Widget):
    """Lists the bindings with a description whose actions are possible now.

    An action is possible unless `check_action` of its screen or widget returns False, or its key is
    a character and the user is typing. The order is
    that of the bindings, those of the focused widget first; where the width does not suffice, the
    last ones are left out.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Footer { dock: bottom; height: 1; background: ansi_default; color: ansi_default; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: Sequence[_Shown] = ()

    def on_mount(self) -> None:
        """Follow changes of the bindings."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.update())

    def update(self) -> None:
        """Redraw the line if other keys have an effect than before."""
        if not self.is_attached:  # the screen is being closed
            return
        shown = fitting(list(self._possible()), self.size.width)
        if shown != self._shown:
            self._shown = shown
            self.refresh()

    def on_resize(self) -> None:
        """Adapt to the new width."""
        self.update()

    def _possible(self) -> Iterator[_Shown]:
        typing = isinstance(self.screen.focused, Input)
        for key, (_, binding, enabled, _) in self.screen.active_bindings.items():
            if typing and _is_text(key):
                continue
            if binding.show and enabled and binding.description:
                yield _Shown(self.app.get_key_display(binding), binding.description, key)

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 (textual's)
        """Return the line."""
        parts: list[tuple[str, Style]] = []
        for one in self._shown:
            parts += [(one.name, _KEY), (f" {one.text}", styles.PLAIN), (" " * _GAP, styles.PLAIN)]
        return styles.strip(parts, self.size.width)

    def on_click(self, event: events.Click) -> None:
        """Do what the key under the mouse does."""
        left = 0
        for one in self._shown:
            if left <= event.x < left + one.width:
                self.app.simulate_key(one.key)
            left += one.width + _GAP


def _is_text(key: str) -> bool:
    """Return whether a key types a character."""
    character = key_to_character(key)
    return key in _SIGNS or bool(character and character.isprintable())


def fitting(possible: Sequence[_Shown], width: int) -> list[_Shown]:
    """Return the keys that fit into a width: the first ones, and help and quit at the end."""
    last = [one for one in possible if one.key in _ALWAYS]
    left = width - sum(one.width + _GAP for one in last) + _GAP
    shown: list[_Shown] = []
    for one in possible:
        if one.key in _ALWAYS:
            continue
        left -= one.width + _GAP
        if left < 0:
            break
        shown.append(one)
    return shown + last
