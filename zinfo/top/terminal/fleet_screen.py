"""The first screen: all shards."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal.base_screen import EVENTS, BaseScreen
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.footer import Footer
from zinfo.top.terminal.head import Head, feed_line, states_line, sums_line
from zinfo.top.terminal.shard_screen import ShardScreen
from zinfo.top.terminal.table import Heading, SortOrder, Table
from zinfo.views.columns import ordered
from zinfo.views.expressions import DATABASES
from zinfo.views.filtering import Filter, FilterError
from zinfo.views.rows import Series

_HINT = "words in id, state, role, version, labels; site=fra; ops>100 (? for more)"


class FleetScreen(BaseScreen):
    """The table of all shards, the totals, a filter and the events pane.

    Args:
        source: owns the model.
        glyphs: the characters to draw with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("less_than_sign", "order(-1)", "Sort", key_display="< >"),
        Binding("greater_than_sign", "order(1)", "Sort", show=False),
        Binding("r", "reverse", "Reverse"),
        Binding("escape", "unfilter", "Show all", show=False),
    ]

    def __init__(self, source: Source, glyphs: Glyphs) -> None:
        super().__init__(source, glyphs, _HINT)
        self._order = SortOrder()
        self._filter = Filter()
        self.head = Head(glyphs, 3)
        self.heading = Heading(glyphs)
        self.table = Table(glyphs, self._series)
        self._visible_series: dict[str, Series | None] = {}  # by shard; read when first drawn

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield self.head
        yield self.bar
        yield self.heading
        yield self.table
        yield self.pane
        yield Footer()

    def main(self) -> Table:
        """Return the table."""
        return self.table

    def redraw(self) -> None:
        """Read the model and show it."""
        source, pane, table = self.source, self.pane, self.table
        source.want("table", DATABASES)
        self._visible_series.clear()
        with source.locked() as model:
            now = source.now()
            rows, feed = model.rows(now), model.feed(now)
            totals, sums = model.totals(now, rows), model.totals_series(now)
            events = model.events(EVENTS) if pane.display else ()
        shown = self._filter(rows) if self._filter else rows
        table.show_rows(ordered(shown, self._order.name, reverse=self._order.reverse))
        self.heading.show(self._order.name, ascending=self._order.ascending)
        if pane.display:
            pane.show_events(events)
        position = table.position()
        if self._filter:
            position += f" matching, {len(rows)} in total"
        width = self.size.width
        self.head.put(
            [
                self.head.title(f"{feed.daemons}  {source.endpoint}".strip(), position),
                feed_line(feed, source.endpoint, width, self.glyphs) or states_line(totals),
                sums_line(totals, sums, width, self.glyphs),
            ]
        )

    def _series(self, shard: str) -> Series | None:
        if shard not in self._visible_series:
            with self.source.locked() as model:
                self._visible_series[shard] = model.series(shard, self.source.now())
        return self._visible_series[shard]

    # --- keys and mouse

    def action_order(self, columns: int) -> None:
        """Sort by the next column to the right, or to the left."""
        self._order.step(columns, self.size.width)
        self.redraw()

    def action_reverse(self) -> None:
        """Reverse the sort order."""
        self._order.choose(self._order.name)
        self.redraw()

    def action_unfilter(self) -> None:
        """Show all shards."""
        self.bar.clear()
        self.table.focus()

    def on_heading_clicked(self, message: Heading.Clicked) -> None:
        """Sort by the clicked column."""
        self._order.choose(message.name)
        self.redraw()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Apply the filter typed so far, if it is valid."""
        try:
            self._filter = Filter(message.text)
        except FilterError as error:
            self.bar.show_error(str(error))
            return
        self.bar.show_error("")
        self.redraw()

    def on_table_opened(self, message: Table.Opened) -> None:
        """Open the shard's page."""
        self.app.push_screen(ShardScreen(self.source, self.glyphs, message.shard))
