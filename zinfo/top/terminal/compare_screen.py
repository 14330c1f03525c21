"""Two shards side by side: their states, their plots, and their values."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal import styles
from zinfo.top.terminal.base_screen import BaseScreen
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.head import Head, feed_line
from zinfo.top.terminal.page_view import PageView, headings
from zinfo.top.terminal.plots import Plots
from zinfo.top.terminal.shard_head import status_line
from zinfo.views.formatting import safe
from zinfo.views.shard_lines import ValueLine, page_lines, whole_row

_TALL = 34  # lines of a screen that has room for taller plots
_PLOT_LINES = (4, 7)  # of the plots of each shard, on a smaller and on a tall screen


class CompareScreen(BaseScreen):
    """Two shards.

    Args:
        source: owns the model.
        glyphs: the characters to draw with.
        shards: their ids.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", key_display="Esc"),
        Binding("d", "differences", "Differences"),
        Binding("x", "exact", "Exact"),
        Binding("v", "turn_plots", "Plots"),
    ]

    def __init__(self, source: Source, glyphs: Glyphs, *shards: str) -> None:
        super().__init__(source, glyphs, "part of a name or value")
        self._shards = shards
        self._search = ""
        self._only_differences = False
        self.heads = [Head(glyphs, 2) for _ in shards]
        self.plots = [Plots(glyphs) for _ in shards]
        self.heading = Head(glyphs, 1)
        self.page = PageView(glyphs)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        for head, plots in zip(self.heads, self.plots, strict=True):
            yield head
            yield plots
        yield self.bar
        yield self.heading
        yield self.page
        yield self.footer

    def main(self) -> PageView:
        """Return the lines of the page."""
        return self.page

    def redraw(self) -> None:
        """Read the model and show it."""
        source, width, glyphs = self.source, self.size.width, self.glyphs
        with source.locked() as model:
            now = source.now()
            feed = model.feed(now)
            rows = [model.row(shard, now) for shard in self._shards]
            series = [model.series(shard, now) for shard in self._shards]
            sections = [model.sections(shard, now) for shard in self._shards]
        known = [
            whole_row(row, found)
            for row, found in zip(rows, sections, strict=True)
            if row is not None
        ]
        for shard in self._shards:
            source.follow_shard(shard)
        lines = page_lines(known, search=self._search) if len(known) == len(self._shards) else []
        if self._only_differences:
            lines = [line for line in lines if not isinstance(line, ValueLine) or line.differs]
        self.page.show_lines(lines)
        for at, (head, row) in enumerate(zip(self.heads, rows, strict=True)):
            warning = [] if row and row.fresh else feed_line(feed, source.endpoint, width, glyphs)
            right = self.page.position() if at == 0 else ""
            name = [(f"{'AB'[at]}  ", styles.BOLD), (safe(self._shards[at]), styles.BARS)]
            title = head.title(self._shards[at], right) if at == 0 else name
            head.put([title, warning or status_line(row, width, glyphs)])
        for plots, row, one in zip(self.plots, rows, series, strict=True):
            plots.show(row, one)
        names = [f"{'AB'[at]} {safe(shard)}" for at, shard in enumerate(self._shards)]
        self.heading.put([headings(width, glyphs, names)])
        self.footer.update()

    def divide_lines(self, height: int) -> None:
        """Make the plots taller where there is room."""
        for plots in self.plots:
            plots.styles.height = _PLOT_LINES[height >= _TALL]

    # --- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether a key has an effect now."""
        if action == "turn_plots":
            return any(one.turns for one in self.plots)
        if action == "events":  # those of one shard are on its page
            return False
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        """Clear the search, or go back to the page of the first shard."""
        if self.bar.has_class("-shown"):
            self.bar.clear()
            self.page.focus()
        else:
            self.app.pop_screen()

    def action_differences(self) -> None:
        """Show only the values that differ, or all."""
        self._only_differences = not self._only_differences
        self.redraw()

    def action_exact(self) -> None:
        """Show values with all digits, or short ones."""
        self.page.exact = not self.page.exact
        self.redraw()

    def action_turn_plots(self) -> None:
        """Show the next plots."""
        for plots in self.plots:
            plots.turn()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Show only the lines that contain the text."""
        self._search = message.text
        self.redraw()
