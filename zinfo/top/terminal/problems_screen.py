"""The screen of what is wrong, worst first."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal import styles
from zinfo.top.terminal.base_screen import EVENTS, BaseScreen
from zinfo.top.terminal.cursor_lines import CursorLines
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.head import Head, feed_line, problems_parts
from zinfo.top.terminal.look import Looker
from zinfo.top.terminal.shard_screen import ShardScreen
from zinfo.top.terminal.short_names import ShortNames
from zinfo.views.formatting import DAEMON, safe, seconds_text
from zinfo.views.problems import Problem

_SEVERITY = 9
_SINCE = 6
_TITLE = 24
_DETAIL_LINES = 3
_LEAST_SHARD = 16
_SHARD_SHARE = 0.4  # of the width


class ProblemList(CursorLines):
    """One line per problem."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open shard", key_display="Enter"),
        Binding("space", "page(1)", "Page down", show=False),
    ]

    class Opened(Message):
        """The shard with the id `shard` was opened."""

        def __init__(self, shard: str) -> None:
            super().__init__()
            self.shard = shard

    class Moved(Message):
        """The cursor is on another problem, or the problems are others."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="problems")
        self._glyphs = glyphs
        self._names = ShortNames(glyphs)
        self._problems: Sequence[Problem] = ()

    @property
    def problem(self) -> Problem | None:
        """The problem under the cursor; None where there is none."""
        return self._problems[self.cursor] if self._problems else None

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Show these problems."""
        self._problems = problems
        self._names.fit([one.shard for one in problems], _widths(self.size.width)[0])
        self.show_items(len(problems))

    def key_of(self, index: int) -> Hashable:
        """Return shard and name of a problem."""
        one = self._problems[index]
        return one.shard, one.name

    def line(self, index: int, width: int) -> Strip:
        """Return the line of a problem."""
        one, chosen = self._problems[index], index == self.cursor
        shard_width, title_width = _widths(width)
        room = max(0, width - 1 - _SEVERITY - _SINCE - shard_width - title_width - 3)
        fit, glyphs = styles.fit, self._glyphs
        style = styles.severity_style(one.severity)
        since = "" if one.since is None else seconds_text(one.since)
        parts: list[tuple[str, Style]] = [
            (">" if chosen else " ", styles.BOLD),
            (fit(one.severity, _SEVERITY, glyphs), style),
            (fit(since, _SINCE - 1, glyphs, right=True) + " ", styles.PLAIN),
            (fit(self._names(one.shard), shard_width, glyphs) + " ", styles.PLAIN),
            (fit(safe(one.title), title_width, glyphs) + "  ", style),
            (fit(safe(one.detail), room, glyphs), styles.PLAIN),
        ]
        if chosen:
            parts = [(text, styles.CURSOR) for text, _ in parts]
        return styles.strip(parts, width)

    def cursor_moved(self) -> None:
        """Report it."""
        self.post_message(self.Moved())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Return whether a key has an effect on the problem under the cursor."""
        return action != "open" or _of_shard(self.problem)

    def action_open(self) -> None:
        """Open the shard of the problem under the cursor."""
        if self.problem and _of_shard(self.problem):
            self.post_message(self.Opened(self.problem.shard))


def _of_shard(problem: Problem | None) -> bool:
    """Return whether there is a shard to open."""
    return problem is not None and problem.shard != DAEMON


def _widths(width: int) -> tuple[int, int]:
    """Return the widths of shard and title."""
    shard = max(_LEAST_SHARD, round((width - _SEVERITY - _SINCE) * _SHARD_SHARE))
    return shard, max(4, min(_TITLE, width - 1 - _SEVERITY - _SINCE - shard - 3))


def heading(width: int) -> list[tuple[str, Style]]:
    """Return the heading above the problems."""
    shard, title = _widths(width)
    parts = [("severity", _SEVERITY), ("since", _SINCE), ("shard", shard + 1), ("problem", title)]
    made: list[tuple[str, Style]] = [(" ", styles.PLAIN)]
    for text, room in parts:
        made += [(text, styles.HEADING), (" " * max(0, room - len(text)), styles.PLAIN)]
    return [*made, ("  ", styles.PLAIN), ("detail", styles.HEADING)]


class ProblemsScreen(BaseScreen):
    """The problems of all shards, and the whole text of the one under the cursor.

    Args:
        source: owns the model.
        glyphs: the characters to draw with.
        looker: reads the model for all screens.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", key_display="Esc"),
        Binding("p", "leave", "Back", show=False),
    ]

    def __init__(self, source: Source, glyphs: Glyphs, looker: Looker) -> None:
        super().__init__(source, glyphs, "part of a severity, shard or problem")
        self._looker = looker
        self._wanted = ""
        self.head = Head(glyphs, 2)
        self.heading = Head(glyphs, 1)
        self.list = ProblemList(glyphs)
        self.detail = Head(glyphs, _DETAIL_LINES)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield self.head
        yield self.bar
        yield self.heading
        yield self.list
        yield self.detail
        yield self.pane
        yield self.footer

    def main(self) -> ProblemList:
        """Return the list."""
        return self.list

    def redraw(self) -> None:
        """Read the model and show it."""
        look, width = self._looker.read(), self.size.width
        problems = look.problems
        if self._wanted:
            reasons = {row.shard: row.reason for row in look.rows}
            problems = [
                one for one in problems if self._wanted in _text(one, reasons.get(one.shard, ""))
            ]
        self.list.empty = "no problem is known" if look.feed.fresh else "unknown: see above"
        if self._wanted:
            self.list.empty = f"0 of {len(look.problems)} shown"
        self.list.show_problems(problems)
        self.heading.put([heading(width)])
        if self.pane.display:
            with self.source.locked() as model:
                events = model.events(EVENTS)
            self.pane.show_events(events)
        self.head.put(
            [
                self.head.title(f"problems  {self.source.endpoint}", self.list.position()),
                feed_line(look.feed, self.source.endpoint, width, self.glyphs)
                or problems_parts(look.problems),
            ]
        )
        self.footer.update()

    def on_problem_list_moved(self) -> None:
        """Show the whole text of the problem under the cursor."""
        one, width = self.list.problem, self.size.width
        if one is None:
            self.detail.put([])
            return
        title = f"{one.severity}: {safe(one.title)}"
        text = ". ".join(filter(None, (one.detail.rstrip("."), one.action)))
        texts = styles.wrap(safe(text), width, _DETAIL_LINES - 1)
        self.detail.put(
            [
                [
                    (title + "  ", styles.severity_style(one.severity)),
                    (safe(one.shard), styles.BOLD),
                ],
                *([(text, styles.PLAIN)] for text in texts),
            ]
        )

    # --- keys

    def action_leave(self) -> None:
        """Clear the filter, or go back."""
        if self.bar.has_class("-shown"):
            self.bar.clear()
            self.list.focus()
        else:
            self.app.pop_screen()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Show only the problems that contain the text."""
        self._wanted = message.text.strip().casefold()
        self.redraw()

    def on_problem_list_opened(self, message: ProblemList.Opened) -> None:
        """Open the shard's page."""
        self.app.push_screen(ShardScreen(self.source, self.glyphs, message.shard))


def _text(one: Problem, reason: str) -> str:
    return f"{one.severity} {one.shard} {one.title} {reason} {one.detail}".casefold()
