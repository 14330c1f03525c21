"""One look at all shards for all pages that are open: what it takes is done once a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zinfo.top.filtering import Filter
from zinfo.top.rows import Row
from zinfo.top.web import told

if TYPE_CHECKING:
    from zinfo.top.feed import Feed

_LAST = 0.5  # seconds for which a look will do
_EVENTS = 100
_SPARK_TURNS = 5  # seconds in which each shard's small pictures are drawn once


class View:
    """All shards at one moment.

    Attributes:
        head: what stands above the table.
        events: the newest ones.
        events_version: grows with each.
    """

    def __init__(
        self,
        rows: list[Row],
        head: dict[str, Any],
        events: list[list[str]],
        events_version: int,
        sparks: dict[str, tuple[int, dict[str, list[float | None]]]],
    ) -> None:
        self.head = head
        self.events = events
        self.events_version = events_version
        self._rows = rows
        self._cells = {row.shard: told.cells(row) for row in rows}
        self._sparks = sparks

    def rows_of(self, wanted: Filter) -> dict[str, told.Cells]:
        """Return the rows that pass a filter."""
        return {row.shard: self._cells[row.shard] for row in wanted(self._rows)}

    def sparks_since(
        self, newest: dict[str, int], wanted: Filter
    ) -> dict[str, dict[str, list[float | None]]]:
        """Return the small pictures that have moved on.

        Args:
            newest: by shard the step that a page has; brought up to date.
            wanted: chooses the shards.
        """
        moved = {}
        for row in wanted(self._rows):
            step, sparks = self._sparks[row.shard]
            if newest.get(row.shard) != step:
                newest[row.shard] = step
                moved[row.shard] = sparks
        return moved


class Viewing:
    """Looks at the model, at most so often that all pages together cost what one does.

    Args:
        feed: keeps the model.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._at = float("-inf")
        self._view: View | None = None
        self._sparks: dict[str, tuple[int, dict[str, list[float | None]]]] = {}

    def look(self) -> View:
        """Return how all shards do now, or did a moment ago."""
        now = self._feed.now()
        if self._view is None or now - self._at >= _LAST:
            self._at, self._view = now, self._look(now)
        return self._view

    def _look(self, now: float) -> View:
        with self._feed.fleet() as fleet:
            rows = fleet.rows(now)
            head = {"feed": told.feed(fleet.feed(now)), "totals": told.totals(fleet.totals(now))}
            events, version = told.events(fleet.events(_EVENTS)), fleet.events_version
            turn = int(now) % _SPARK_TURNS
            series = {
                row.shard: fleet.series(row.shard, now)
                for number, row in enumerate(rows)
                if number % _SPARK_TURNS == turn or row.shard not in self._sparks
            }
        before, self._sparks = self._sparks, {}
        for row in rows:
            new = series.get(row.shard)
            if new is not None:
                self._sparks[row.shard] = new.newest, told.sparks(new)
            else:
                self._sparks[row.shard] = before.get(row.shard, (0, {}))
        return View(rows, head, events, version, self._sparks)
