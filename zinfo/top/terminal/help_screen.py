"""What the keys, the words and the colours mean."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Footer

from zinfo.top.columns import OVERALL
from zinfo.top.filtering import GRAMMAR
from zinfo.top.terminal import styles
from zinfo.top.terminal.lines import Lines

_KEYS = (
    ("up down PgUp PgDn", "move; also j k space, Home End, g G"),
    ("Enter", "open the shard; Esc goes back"),
    ("< >", "sort by the next column; a click on a heading does, too"),
    ("r", "sort the other way round"),
    ("/", "filter; Enter keeps it, Esc takes it away"),
    ("left right", "on a shard's page: the next section"),
    ("e", "events: Tab goes there to scroll, and back"),
    ("?", "this; any of Esc, ? and q goes back"),
    ("q Ctrl-C", "quit; Ctrl-Z puts it to sleep"),
)
_STATES = (
    ("up", "it answers INFO"),
    ("down: REASON", "it does not: timeout, refused, auth, noperm, tls, dns, ..."),
    ("loading", "it reads its data from disk"),
    ("busy", "it runs a script and answers nothing else"),
    ("new", "it was not polled yet"),
    ("stale", "not known: the daemon is not heard, or news are missing"),
)
_COLUMNS = (
    ("-", "not known, or not known of now: the shard does not answer"),
    ("ops/s", "commands a second; the bars beside it are the last minute"),
    ("memory %max", "used_memory; as a part of maxmemory, yellow from 90% on"),
    ("hits", f"reads between two polls that found their key; {OVERALL}: overall"),
    ("every", "seconds between its last two polls"),
    ("age", "seconds since its newest INFO; red where that is long"),
    ("ops/s memory hits", "above all: of the shards that answer; bars: 5 minutes"),
)
_FIELDS = (
    ("*", "before a field, and bold: it changed just now"),
    ("per s", "of a counter: what came a second between two polls;"),
    ("", "- after a restart or CONFIG RESETSTAT, until the next poll"),
    ("changed", "seconds since then; empty: not since it is watched here"),
)
_PARTS = (
    ("Keys", _KEYS),
    ("States", _STATES),
    ("Numbers", _COLUMNS),
    ("A shard's page", _FIELDS),
    ("Filter", GRAMMAR),
)
_NAME = 20


def lines() -> list[list[tuple[str, Style]]]:
    """Return the text."""
    made: list[list[tuple[str, Style]]] = []
    for title, entries in _PARTS:
        made += [[], [(title, styles.HEADING)]] if made else [[(title, styles.HEADING)]]
        for name, text in entries:
            style = styles.STATES.get(name.partition(":")[0], styles.KEY)
            made.append([(f"  {name:<{_NAME}}", style), (text, styles.PLAIN)])
    return made


class HelpText(Lines):
    """The text."""

    def __init__(self) -> None:
        super().__init__(id="help")
        self._text = lines()

    def on_resize(self) -> None:
        """Show what fits now."""
        self.show(len(self._text))

    def line(self, index: int, width: int) -> Strip:
        """Return one line."""
        return styles.strip(self._text[index], width)


class HelpScreen(Screen[None]):
    """The text, to be scrolled through."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "app.pop_screen", "Back", key_display="Esc"),
        Binding("up,k", "scroll(-1)", "Scroll", key_display="up down"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
    ]
    DEFAULT_CSS = "HelpScreen { background: ansi_default; color: ansi_default; }"

    def compose(self) -> ComposeResult:
        """Make the parts."""
        yield HelpText()
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Be ready for keys."""
        self.query_one(HelpText).focus()

    def action_scroll(self, count: int) -> None:
        """Scroll by lines."""
        text = self.query_one(HelpText)
        text.go_to(text.first + count)

    def action_page(self, pages: int) -> None:
        """Scroll by what is seen."""
        text = self.query_one(HelpText)
        text.go_to(text.first + pages * text.room)
