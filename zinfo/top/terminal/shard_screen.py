"""One shard's page: its state, its last minutes, and every field of its INFO."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from zinfo.top.daemons_text import copies_text
from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal import styles
from zinfo.top.terminal.base_screen import EVENTS, BaseScreen
from zinfo.top.terminal.fields import Fields, heading
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.footer import Footer
from zinfo.top.terminal.head import Head, feed_line, shard_line
from zinfo.top.terminal.plots import Plots
from zinfo.views.formatting import labels_text

_TALL = 30  # lines of a screen that has room for taller plots
_PLOT_LINES = (5, 8)  # of plots on a smaller and on a tall screen


class ShardScreen(BaseScreen):
    """The page of one shard.

    Args:
        source: owns the model.
        glyphs: the characters to draw with.
        shard: its id.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", key_display="Esc"),
    ]

    def __init__(self, source: Source, glyphs: Glyphs, shard: str) -> None:
        super().__init__(source, glyphs, "part of a field name")
        self.head = Head(glyphs, 2)
        self.plots = Plots(glyphs)
        self.heading = Head(glyphs, 1)
        self.fields = Fields(glyphs)
        self._shard = shard
        self._name_filter = ""

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield self.head
        yield self.plots
        yield self.bar
        yield self.heading
        yield self.fields
        yield self.pane
        yield Footer()

    def main(self) -> Fields:
        """Return the fields."""
        return self.fields

    def redraw(self) -> None:
        """Read the model and show it."""
        source, shard, pane = self.source, self._shard, self.pane
        with source.locked() as model:
            now = source.now()
            row, feed = model.row(shard, now), model.feed(now)
            series, sections = model.series(shard, now), model.sections(shard, now)
            copies = model.copies(shard)
            events = model.events(EVENTS, shard) if pane.display else ()
        source.follow_shard(shard)
        fields, width = self.fields, self.size.width
        fields.show_sections(sections, self._name_filter)
        self.plots.show(series)
        if pane.display:
            pane.show_events(events)
        position = (
            f"{fields.section}  lines {fields.position()}" if fields.section else "no fields yet"
        )
        title = [shard, copies_text(copies), labels_text(row.labels) if row else ""]
        gone: list[tuple[str, Style]] = [("This shard is no longer watched.", styles.BAD)]
        self.head.put(
            [
                self.head.title("  ".join(filter(None, title)), position),
                shard_line(row, width)
                if row and row.fresh  # slices that are missing do not concern it
                else feed_line(feed, source.endpoint, width, self.glyphs)
                or (gone if row is None else shard_line(row, width)),
            ]
        )
        self.heading.put([heading(width, self.glyphs)])

    def divide_lines(self, height: int) -> None:
        """Make the plots taller where there is room."""
        self.plots.styles.height = _PLOT_LINES[height >= _TALL]

    # --- keys

    def action_leave(self) -> None:
        """Clear the filter, or go back to all shards."""
        if self.bar.has_class("-shown"):
            self.bar.clear()
            self.fields.focus()
        else:
            self.app.pop_screen()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Show only the fields whose names contain the text."""
        self._name_filter = message.text.strip().lower()
        self.redraw()
