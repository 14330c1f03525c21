"""The first screen: all shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal.arrangement import Arranged, Arrangement, GroupLine
from zinfo.top.terminal.base_screen import EVENTS, BaseScreen
from zinfo.top.terminal.choice_screen import ChoiceScreen
from zinfo.top.terminal.columns_screen import ColumnsScreen
from zinfo.top.terminal.completion import completions
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.head import Head, feed_line, states_line, sums_line
from zinfo.top.terminal.heading import Heading
from zinfo.top.terminal.layout import Layout, lay_out
from zinfo.top.terminal.look import Looker
from zinfo.top.terminal.menus import grouping_choices, quantities_of, sort_choices
from zinfo.top.terminal.problems_screen import ProblemsScreen
from zinfo.top.terminal.sets import known_sets, save_set
from zinfo.top.terminal.shard_screen import ShardScreen
from zinfo.top.terminal.short_names import ShortNames
from zinfo.top.terminal.table import FOLD_WIDTH, Table
from zinfo.top.terminal.table_columns import DEFAULT, Column, column, columns_of
from zinfo.views.filtering import Filter, FilterError
from zinfo.views.grouping import TOTALS_FIELDS
from zinfo.views.problems import FIELDS as PROBLEM_FIELDS
from zinfo.views.rows import Series
from zinfo.views.totals import Totals, totals

_HINT = "words in id, state, role, labels; role=replica used_memory>1G (? for more)"
_NO_GROUPS = "(none)"


class FleetScreen(BaseScreen):
    """The table of all shards, the totals, a filter and the events pane.

    Args:
        source: owns the model.
        glyphs: the characters to draw with.
        looker: reads the model for all screens.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "unfilter", "Show all", key_display="Esc"),
        Binding("p", "problems", "Problems"),
        Binding("t", "groups", "Groups"),
        Binding("c", "columns", "Columns"),
        Binding("s", "sort", "Sort"),
        Binding("less_than_sign", "order(-1)", "Sort by the column before", show=False),
        Binding("greater_than_sign", "order(1)", "Sort by the next column", show=False),
        Binding("r", "reverse", "Reverse"),
        Binding("left", "scroll_columns(-1)", "Scroll", key_display="left right"),
        Binding("right", "scroll_columns(1)", "More columns", show=False),
        Binding("plus", "fold_all(False)", "Unfold all", key_display="+ -"),
        Binding("minus", "fold_all(True)", "Fold all", show=False),
    ]

    def __init__(self, source: Source, glyphs: Glyphs, looker: Looker) -> None:
        super().__init__(source, glyphs, _HINT, self._complete)
        self._looker = looker
        self.arrangement = Arrangement()
        self._arranged = Arranged((), (), 0, grouped=False)
        self._columns: Sequence[Column] = columns_of(DEFAULT)
        self._totals_of = looker.look, "", totals(())
        self._offset = 0
        self.layout_of_columns = Layout((), 0, 0)
        self._visible_series: dict[str, Series | None] = {}  # by shard; read when first drawn
        self._names = ShortNames(glyphs)
        self.head = Head(glyphs, 3)
        self.heading = Heading(glyphs)
        self.table = Table(glyphs, self._series)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield self.head
        yield self.bar
        yield self.heading
        yield self.table
        yield self.pane
        yield self.footer

    def main(self) -> Table:
        """Return the table."""
        return self.table

    # --- drawing

    def redraw(self) -> None:
        """Read the model and show it."""
        self.source.want("table", self._fields())
        self._looker.read()
        self._visible_series.clear()
        self._arrange()

    def _fields(self) -> frozenset[str]:
        """Return the fields of INFO that the table, its totals and the problems read."""
        columns = (one.quantity.fields for one in self._with_sort_column())
        return frozenset().union(TOTALS_FIELDS, PROBLEM_FIELDS, self.arrangement.fields, *columns)

    def _arrange(self) -> None:
        """Show the rows that were read last as the user has chosen."""
        self._arranged = self.arrangement.arrange(self._looker.look.rows)
        self._draw()

    def _draw(self) -> None:
        arranged, order = self._arranged, self.arrangement
        longest = max((len(row.shard) for row in arranged.rows), default=len("shard")) + 2
        columns = self._with_sort_column()
        layout = lay_out(columns, self.size.width, longest, self._offset)
        self._offset = layout.offset
        if layout != self.layout_of_columns:
            self.layout_of_columns = layout
            self.refresh_bindings()
        self.table.empty = self._why_empty()
        room = layout.placed[0].width - (FOLD_WIDTH if arranged.grouped else 0)
        self._names.fit([row.shard for row in arranged.rows], room)
        self.table.show_arranged(arranged, layout, self._names)
        self.heading.show(layout, order.sort, ascending=order.ascending)
        if self.pane.display:
            with self.source.locked() as model:
                events = model.events(EVENTS)
            self.pane.show_events(events)
        self._draw_head()
        self.footer.update()

    def _why_empty(self) -> str:
        if self.arrangement.filter:
            return f"0 of {self._arranged.total} shown: no shard matches; Esc shows all"
        return "the daemon has no shards" if self._looker.look.feed.fresh else ""

    def _with_sort_column(self) -> Sequence[Column]:
        """Return the columns, and the one that rows are sorted by beside the id, if it is new."""
        columns, sort = self._columns, self.arrangement.sort
        if any(one.name == sort for one in columns):
            return columns
        return [columns[0], column(sort), *columns[1:]]

    def _draw_head(self) -> None:
        look, arranged, width = self._looker.look, self._arranged, self.size.width
        feed, filtered = look.feed, bool(self.arrangement.filter)
        with self.source.locked() as model:
            sums = None if filtered else model.totals_series(look.now)
        self.bar.show_result(f"{len(arranged.rows)} of {arranged.total} shown" if filtered else "")
        of = self._totals()
        self.head.put(
            [
                self.head.title(
                    f"{feed.daemons}  {self.source.endpoint}".strip(), self.table.position()
                ),
                feed_line(feed, self.source.endpoint, width, self.glyphs)
                or states_line(of, look.problems, width, self.glyphs),
                sums_line(of, sums, width, self.glyphs),
            ]
        )

    def _totals(self) -> Totals:
        """Return the totals of the rows that match the filter; sorting does not change them."""
        look, text = self._looker.look, self.arrangement.filter.text
        if self._totals_of[:2] != (look, text):
            self._totals_of = look, text, totals(self._arranged.rows)
        return self._totals_of[2]

    def _series(self, shard: str) -> Series | None:
        if shard not in self._visible_series:
            with self.source.locked() as model:
                self._visible_series[shard] = model.series(shard, self.source.now())
        return self._visible_series[shard]

    def _complete(self, word: str) -> Sequence[str]:
        look = self._looker.look
        values = {f"label:{name}": found for name, found in look.labels.items()}
        values["state"] = {row.shown_state for row in look.rows}
        values["role"] = {"primary", "replica"}
        values["version"] = {row.version for row in look.rows if row.version}
        return completions(word, look.known.fields, values)

    # --- keys and mouse

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether a key has an effect now."""
        if action == "scroll_columns":
            return bool(self.layout_of_columns.offset or self.layout_of_columns.hidden)
        if action == "fold_all":
            return bool(self.arrangement.grouping)
        if action == "unfilter":
            return self.bar.has_class("-shown")
        return super().check_action(action, parameters)

    def action_order(self, columns: int) -> None:
        """Sort by the next column to the right, or to the left."""
        names = [one.name for one in self._with_sort_column() if not one.series]
        at = (names.index(self.arrangement.sort) + columns) % len(names)
        self._sort_by(names[at])

    def _sort_by(self, name: str | None) -> None:
        if name:
            self.arrangement.choose_sort(name)
            self._arrange()
            self._show_column(name)

    def _show_column(self, name: str) -> None:
        """Scroll the columns so that one is visible."""
        columns = [one.name for one in self._with_sort_column()[1:]]
        if name not in columns or any(
            one.column.name == name for one in self.layout_of_columns.placed
        ):
            return
        at = columns.index(name)
        step = 1 if at > self.layout_of_columns.offset else -1
        while all(one.column.name != name for one in self.layout_of_columns.placed):
            before = self._offset
            self.action_scroll_columns(step)
            if self._offset == before:
                return

    def action_sort(self) -> None:
        """Choose what rows are sorted by."""
        choices = sort_choices(quantities_of(self._looker.look))
        self.app.push_screen(
            ChoiceScreen("sort by", choices, self.arrangement.sort, self.glyphs), self._sort_by
        )

    def action_reverse(self) -> None:
        """Reverse the sort order."""
        self.arrangement.choose_sort(self.arrangement.sort)
        self._arrange()

    def action_scroll_columns(self, columns: int) -> None:
        """Show the columns further to the right or left."""
        self._offset = max(0, self._offset + columns)
        self._draw()

    def action_columns(self) -> None:
        """Choose the columns."""
        self.app.push_screen(
            ColumnsScreen(
                quantities_of(self._looker.look),
                [one.name for one in self._columns],
                known_sets(),
                save_set,
                self.glyphs,
            ),
            self._set_columns,
        )

    def _set_columns(self, names: Sequence[str] | None) -> None:
        if names:
            self._columns = columns_of(names)
            self._offset = 0
            self._draw()

    def action_groups(self) -> None:
        """Choose what rows are grouped by."""
        present = self.arrangement.grouping or _NO_GROUPS
        self.app.push_screen(
            ChoiceScreen(
                "group by", grouping_choices(self._looker.look, _NO_GROUPS), present, self.glyphs
            ),
            self._group_by,
        )

    def _group_by(self, name: str | None) -> None:
        if name is not None:
            self.arrangement.choose_grouping("" if name == _NO_GROUPS else name)
            self.refresh_bindings()
            self._arrange()

    def action_fold_all(self, folded: bool) -> None:
        """Fold or unfold all groups."""
        self.arrangement.fold_all(folded=folded)
        self._arrange()

    def on_table_folded(self, message: Table.Folded) -> None:
        """Fold or unfold a group."""
        self.arrangement.toggle(message.key)
        self._arrange()

    def action_unfilter(self) -> None:
        """Show all shards."""
        self.bar.clear()
        self.table.focus()

    def action_problems(self) -> None:
        """Show what is wrong."""
        self.app.push_screen(ProblemsScreen(self.source, self.glyphs, self._looker))

    def on_heading_clicked(self, message: Heading.Clicked) -> None:
        """Sort by the clicked column."""
        self._sort_by(message.name)

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Apply the filter typed so far, if it is valid."""
        try:
            self.arrangement.filter = Filter(message.text, self._looker.look.known)
        except FilterError as error:
            self.bar.show_error(str(error))
            return
        self.bar.show_error(self.arrangement.filter.problem)
        self.refresh_bindings()
        self._arrange()

    def on_table_opened(self, message: Table.Opened) -> None:
        """Open the shard's page."""
        self.app.push_screen(
            ShardScreen(self.source, self.glyphs, message.shard, lambda: self.shown_shards)
        )

    @property
    def shown_shards(self) -> list[str]:
        """Ids of the shards in the table, from top to bottom."""
        return [item.shard for item in self._arranged.items if not isinstance(item, GroupLine)]
