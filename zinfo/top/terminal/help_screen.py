"""The help: keys, states, columns, fields and filters."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.strip import Strip

from zinfo.top.terminal import styles
from zinfo.top.terminal.footer import Footer
from zinfo.top.terminal.lines import Lines
from zinfo.views.columns import OVERALL
from zinfo.views.filtering import GRAMMAR
from zinfo.views.formatting import STATE_COLOURS

_KEYS = (
    ("up down PgUp PgDn", "move; also j k space, Home End, g G"),
    ("Enter", "open the shard's page, or fold and unfold a group"),
    ("Esc", "go back; clear the filter or the search"),
    ("/", "filter the table, or search the page; Enter applies it"),
    ("e", "show events; Tab moves there to scroll, and back"),
    ("?", "this help; Esc, ? or q goes back"),
    ("q Ctrl-C", "quit; Ctrl-Z suspends"),
)
_TABLE_KEYS = (
    ("p", "problems: what is wrong, the worst first"),
    ("t", "groups: by label, cluster, primary, version, ..."),
    ("+ -", "unfold or fold all groups"),
    ("c", "columns: any field of INFO; sets of columns"),
    ("s", "sort by any quantity; r reverses the order"),
    ("r", "reverse the sort order"),
    ("< >", "sort by the previous or next column; or click a heading"),
    ("left right", "show the columns that do not fit"),
)
_SHARD_KEYS = (
    ("left right", "previous or next part, or section of INFO"),
    ("Enter", "on a link: open the primary or the replica"),
    ("[ ]", "previous or next shard of the table"),
    ("s", "sort the commands; the same column again: reverse"),
    ("x", "exact values, with all digits; again: short ones"),
    ("v", "the next plots, where not all fit"),
    ("h l", "cursor in the plots: earlier and later"),
    ("=", "choose a shard to compare with, side by side"),
    ("d", "in a comparison: only what differs, or all"),
)
_STATES = (
    ("up", "the shard answers INFO"),
    ("down: REASON", "no answer: timeout, refused, auth, noperm, tls, dns, ..."),
    ("loading", "it is loading its data set"),
    ("busy", "it is running a script and answers nothing else"),
    ("new", "not polled yet"),
    ("stale", "unknown: the daemon does not reply, or messages were lost"),
)
_COLUMNS = (
    ("-", "unknown, or outdated: the shard does not answer"),
    ("ops/s", "commands per second; the bars show the last 5 minutes"),
    ("memory %max", "used_memory; its share of maxmemory, yellow from 90%"),
    ("hits", f"hit ratio between two polls; {OVERALL}: since the start"),
    ("interval", "seconds between the last two polls"),
    ("age", "seconds since the newest INFO; red when overdue"),
    ("totals", "of the shards that answer; the bars show 15 minutes"),
)
_FIELDS = (
    ("*", "the value has just changed; also bold"),
    ("!", "in a comparison: the values differ"),
    ("per s", "growth of a counter per second between two polls;"),
    ("", "- until the next poll after a restart or CONFIG RESETSTAT"),
    ("changed", "seconds since the last change; empty: none seen so far"),
)
_PARTS = (
    ("Keys", _KEYS),
    ("Keys of the table", _TABLE_KEYS),
    ("Keys of a shard's page", _SHARD_KEYS),
    ("States", _STATES),
    ("Numbers", _COLUMNS),
    ("A shard's page", _FIELDS),
    ("Filter", GRAMMAR),
)
_NAME_WIDTH = 20


def lines() -> list[list[tuple[str, Style]]]:
    """Return the lines of the help."""
    made: list[list[tuple[str, Style]]] = []
    for title, entries in _PARTS:
        made += [[], [(title, styles.HEADING)]] if made else [[(title, styles.HEADING)]]
        for name, text in entries:
            state = name.partition(":")[0]
            style = styles.event_style(state) if state in STATE_COLOURS else styles.KEY
            made.append([(f"  {name:<{_NAME_WIDTH}}", style), (text, styles.PLAIN)])
    return made


class HelpText(Lines):
    """The help as a widget."""

    def __init__(self) -> None:
        super().__init__(id="help")
        self._text = lines()

    def on_resize(self) -> None:
        """Adapt to the new size."""
        self.show(len(self._text))

    def line(self, index: int, width: int) -> Strip:
        """Return one line."""
        return styles.strip(self._text[index], width)


class HelpScreen(Screen[None]):
    """The scrollable help."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back", key_display="Esc"),
        Binding("question_mark,q", "app.pop_screen", "Back", show=False),
        Binding("up,k", "scroll(-1)", "Scroll", key_display="up down"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
    ]
    DEFAULT_CSS = "HelpScreen { background: ansi_default; color: ansi_default; }"

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield HelpText()
        yield Footer()

    def on_mount(self) -> None:
        """Focus the text."""
        self.query_one(HelpText).focus()

    def action_scroll(self, count: int) -> None:
        """Scroll by lines."""
        text = self.query_one(HelpText)
        text.go_to(text.first + count)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        text = self.query_one(HelpText)
        text.go_to(text.first + pages * text.room)
