"""One shard's page: how it does, its last minutes, and every field of its INFO."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer

from zinfo.top.formatting import labels_text
from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal import styles
from zinfo.top.terminal.fields import Fields, heading
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.head import Head, feed_line, shard_line
from zinfo.top.terminal.plots import Plots
from zinfo.top.terminal.viewing import EVENTS, Viewing

_HIGH = 30  # lines from which on there is room for higher plots
_PLOT_LINES = (5, 8)


class ShardScreen(Viewing):
    """All about one shard.

    Args:
        source: where the model is.
        glyphs: what the terminal can show.
        shard: its id.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", key_display="Esc"),
    ]

    def __init__(self, source: Source, glyphs: Glyphs, shard: str) -> None:
        super().__init__(source, glyphs, "part of a field's name")
        self.head = Head(glyphs, 2)
        self.plots = Plots(glyphs)
        self.heading = Head(glyphs, 1)
        self.fields = Fields(glyphs)
        self._shard = shard
        self._wanted = ""

    def compose(self) -> ComposeResult:
        """Make the parts."""
        yield self.head
        yield self.plots
        yield self.bar
        yield self.heading
        yield self.fields
        yield self.pane
        yield Footer(show_command_palette=False, compact=True)

    def main(self) -> Fields:
        """Return the fields."""
        return self.fields

    def view(self) -> None:
        """Look at the model, and show what is there now."""
        source, shard, pane = self.source, self._shard, self.pane
        with source.fleet() as fleet:
            now = source.now()
            row, feed = fleet.row(shard, now), fleet.feed(now)
            series, sections = fleet.series(shard, now), fleet.sections(shard, now)
            unplaced = fleet.unplaced(shard)
            happened = fleet.events(EVENTS, shard) if pane.display else ()
        if unplaced:
            source.want_sections(shard)
        fields, width = self.fields, self.size.width
        fields.show_sections(sections, self._wanted)
        self.plots.show(series)
        if pane.display:
            pane.show_events(happened)
        where = f"{fields.section}  lines {fields.where()}" if fields.section else "no fields yet"
        gone: list[tuple[str, Style]] = [("It is not watched any more.", styles.BAD)]
        self.head.put(
            [
                self.head.title(f"{shard}  {labels_text(row.labels) if row else ''}", where),
                feed_line(feed, source.endpoint, width, self.glyphs)
                or (gone if row is None else shard_line(row, width)),
            ]
        )
        self.heading.put([heading(width, self.glyphs)])

    def share_lines(self, height: int) -> None:
        """Have plots as high as there is room for."""
        self.plots.styles.height = _PLOT_LINES[height >= _HIGH]

    # --- keys

    def action_leave(self) -> None:
        """Take away the filter, or go back to all shards."""
        if self.bar.has_class("-shown"):
            self.bar.clear()
            self.fields.focus()
        else:
            self.app.pop_screen()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Show the fields that have this in their names."""
        self._wanted = message.text.strip().lower()
        self.view()
