"""One shard's page: its state, its last minutes, and its whole INFO."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from zinfo.top.daemons_text import copies_text
from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal.base_screen import EVENTS, BaseScreen
from zinfo.top.terminal.choice_screen import Choice, ChoiceScreen
from zinfo.top.terminal.compare_screen import CompareScreen
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.head import Head, feed_line
from zinfo.top.terminal.page_view import PageView, headings
from zinfo.top.terminal.plots import Plots
from zinfo.top.terminal.shard_head import detail_lines, status_line
from zinfo.views.peers import FIELDS
from zinfo.views.rows import Row, Section
from zinfo.views.shard_lines import Link, TableOrder, links_of, page_lines, whole_row
from zinfo.views.shard_page import PARTS

_TALL = 30  # lines of a screen that has room for taller plots
_PLOT_LINES = (5, 8)  # of plots on a smaller and on a tall screen
_WIDE = 150  # columns of a screen that has room for the events beside the page
_DETAILS = 2  # lines for the error, or for labels
_LINKS_SECONDS = 3.0  # for which links to other shards are reused: all shards are searched
_COMMANDS = "Commands"  # the part whose table is sorted by a key


class ShardScreen(BaseScreen):
    """The page of one shard.

    Args:
        source: owns the model.
        glyphs: the characters to draw with.
        shard: its id.
        order: returns the ids of the shards in the order of the table.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", key_display="Esc"),
        Binding("x", "exact", "Exact"),
        Binding("equals_sign", "compare", "Compare", key_display="="),
        Binding("s", "sort", "Sort"),
        Binding("v", "turn_plots", "Plots"),
        Binding("left_square_bracket", "step(-1)", "Shard", key_display="[ ]"),
        Binding("right_square_bracket", "step(1)", "Next shard", show=False),
        Binding("h", "cursor(-1)", "Time", key_display="h l"),
        Binding("l,shift+right", "cursor(1)", "Later", show=False),
        Binding("shift+left", "cursor(-1)", "Earlier", show=False),
    ]
    DEFAULT_CSS = """
    ShardScreen #body { height: 1fr; }
    ShardScreen #body.-wide EventsPane {
        width: 60; height: 1fr; border-top: none; border-left: ascii ansi_default;
    }
    """

    def __init__(
        self,
        source: Source,
        glyphs: Glyphs,
        shard: str,
        order: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        super().__init__(source, glyphs, "part of a name or value")
        self.head = Head(glyphs, 2 + _DETAILS)
        self.plots = Plots(glyphs)
        self.heading = Head(glyphs, 1)
        self.page = PageView(glyphs)
        self._shard = shard
        self._order = order
        self._search = ""
        self._orders: dict[str, TableOrder] = {}
        self._links: tuple[str, float, Sequence[Link]] = "", float("-inf"), ()

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield self.head
        yield self.plots
        yield self.bar
        with Horizontal(id="body"):
            with Vertical():
                yield self.heading
                yield self.page
            yield self.pane
        yield self.footer

    def main(self) -> PageView:
        """Return the lines of the page."""
        return self.page

    def on_unmount(self) -> None:
        """Stop redrawing."""
        self.source.want("shard", ())
        super().on_unmount()

    # --- drawing

    def redraw(self) -> None:
        """Read the model and show it."""
        source, shard = self.source, self._shard
        source.want("shard", FIELDS)
        with source.locked() as model:
            now = source.now()
            row, feed = model.row(shard, now), model.feed(now)
            series, sections = model.series(shard, now), model.sections(shard, now)
            copies = copies_text(model.copies(shard))
            events = model.events(EVENTS, shard) if self.pane.display else ()
            rows = model.rows(now) if self._links_are_old(now) else None
        source.follow_shard(shard)
        width = self.size.width
        self._show_page(row, sections, rows, now)
        self.plots.show(row, series)
        if self.pane.display:
            self.pane.show_events(events)
        warning = [] if row and row.fresh else feed_line(feed, source.endpoint, width, self.glyphs)
        # Slices that are missing do not concern a shard that is fresh.
        status = warning if row is None and warning else status_line(row, width, self.glyphs)
        details = detail_lines(row, copies, width, self.glyphs, _DETAILS)
        self.head.put(
            [
                self.head.title(shard, self._position()),
                status,
                *([warning, details[0]] if warning and row is not None else details),
            ]
        )
        self.heading.put([headings(self.page.size.width, self.glyphs)])
        self.footer.update()

    def _position(self) -> str:
        page = self.page
        if self._search:
            return f"{page.found} found"
        return f"{page.section}  lines {page.position()}" if page.section else "no fields yet"

    def _show_page(
        self, row: Row | None, sections: Sequence[Section], rows: Sequence[Row] | None, now: float
    ) -> None:
        if row is None:
            self.page.show_lines(())
            return
        whole = whole_row(row, sections)
        if rows is not None:
            self._links = self._shard, now, links_of(whole, rows)
        self.page.current = row.current
        self.page.empty = "" if sections or not row.current else "the fields are being read"
        lines = page_lines(
            [whole], sections, links=self._links[2], search=self._search, orders=self._orders
        )
        self.page.show_lines(lines if sections else ())

    def _links_are_old(self, now: float) -> bool:
        shard, at, _ = self._links
        return shard != self._shard or now - at >= _LINKS_SECONDS

    def divide_lines(self, height: int) -> None:
        """Make the plots taller, and show events beside the page, where there is room."""
        self.plots.styles.height = _PLOT_LINES[height >= _TALL]
        wide = self.size.width >= _WIDE
        body = self.query_one("#body")
        if wide != body.has_class("-wide"):
            body.set_class(wide, "-wide")
            self.pane.display = wide
        body.styles.layout = "horizontal" if wide else "vertical"

    # --- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether a key has an effect now."""
        if action == "step":
            return len(self._order()) > 1
        if action == "turn_plots":
            return self.plots.turns
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        """Hide the cursor of the plots, clear the search, or go back to all shards."""
        if self.plots.hide_cursor():
            return
        if self.bar.has_class("-shown"):
            self.bar.clear()
            self.page.focus()
        else:
            self.app.pop_screen()

    def action_exact(self) -> None:
        """Show values with all digits, or short ones."""
        self.page.exact = not self.page.exact
        self.redraw()

    def action_turn_plots(self) -> None:
        """Show the next plots."""
        self.plots.turn()

    def action_cursor(self, steps: int) -> None:
        """Move the cursor of the plots."""
        self.plots.move_cursor(steps)

    def action_step(self, by: int) -> None:
        """Show the next or previous shard of the table."""
        ids = self._order()
        at = ids.index(self._shard) if self._shard in ids else 0
        self._open(ids[(at + by) % len(ids)])

    def action_sort(self) -> None:
        """Choose what commands are sorted by."""
        table = next(part.table for part in PARTS if part.title == _COMMANDS)
        assert table is not None
        choices = [Choice(table.heading, "name"), *(Choice(one.heading) for one in table.columns)]
        present = self._orders.get(_COMMANDS)
        shown = (present.heading or table.heading) if present else table.sort
        self.app.push_screen(
            ChoiceScreen("sort commands by", choices, shown, self.glyphs), self._sort_by
        )

    def _sort_by(self, heading: str | None) -> None:
        if heading is None:
            return
        former = self._orders.get(_COMMANDS)
        falling = heading != "command"
        if former is not None and former.heading == heading:
            falling = not former.falling
        self._orders[_COMMANDS] = TableOrder(heading, falling)
        self.redraw()

    def action_compare(self) -> None:
        """Choose the shard to show beside this one."""
        with self.source.locked() as model:
            ids = [row.shard for row in model.rows(self.source.now()) if row.shard != self._shard]
        choices = [Choice(shard) for shard in ids]
        self.app.push_screen(
            ChoiceScreen("compare with", choices, "", self.glyphs, max_width=100), self._compare
        )

    def _compare(self, other: str | None) -> None:
        if other is not None:
            self.app.push_screen(CompareScreen(self.source, self.glyphs, self._shard, other))

    def on_page_view_opened(self, message: PageView.Opened) -> None:
        """Show the shard that a link leads to."""
        self._open(message.shard)

    def _open(self, shard: str) -> None:
        self._shard = shard
        self.page.move_cursor(0)
        self.redraw()

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Show only the lines that contain the text."""
        self._search = message.text
        self.redraw()
