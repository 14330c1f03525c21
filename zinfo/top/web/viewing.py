"""One look at all shards for all pages that are open: what it takes is done once a second."""

from __future__ import annotations

from typing import Any, NamedTuple

from zinfo.top.filtering import Filter
from zinfo.top.rows import Row
from zinfo.top.source import Source
from zinfo.top.web import json_model

_LAST = 0.5  # seconds for which a look will do
_EVENTS = 100
_SPARKS_LAST = 5  # seconds for which a shard's small pictures will do


class View(NamedTuple):
    """All shards at one moment.

    Attributes:
        head: what stands above the table.
        rows: all shards.
        cells: their rows in the table, by id.
        events: the newest ones.
        events_version: grows with each.
    """

    head: dict[str, Any]
    rows: list[Row]
    cells: dict[str, json_model.Cells]
    events: list[list[str]]
    events_version: int

    def passing(self, wanted: Filter) -> dict[str, json_model.Cells]:
        """Return the rows that pass a filter."""
        return {row.shard: self.cells[row.shard] for row in wanted(self.rows)}


class Viewing:
    """Looks at the model, at most so often that all pages together cost what one does.

    Args:
        source: where the model is.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = float("-inf")
        self._view: View | None = None
        self._sparks: dict[str, tuple[int, json_model.Sparks]] = {}  # with the turn they are of

    def look(self) -> View:
        """Return how all shards do now, or did a moment ago."""
        now = self._source.now()
        if self._view is None or now - self._at >= _LAST:
            self._at, self._view = now, self._look(now)
        return self._view

    def _look(self, now: float) -> View:
        before, self._sparks = self._sparks, {}
        series = {}
        with self._source.fleet() as fleet:
            rows = fleet.rows(now)
            feed, totals = fleet.feed(now), fleet.totals(now, rows)
            events, version = fleet.events(_EVENTS), fleet.events_version
            for number, row in enumerate(rows):
                turn = (int(now) + number) // _SPARKS_LAST  # each second that of some shards ends
                had = before.get(row.shard)
                if had is not None and had[0] == turn:
                    self._sparks[row.shard] = had
                else:
                    series[row.shard] = turn, fleet.series(row.shard, now)
        for shard, (turn, one) in series.items():
            assert one is not None, "it has a row"
            self._sparks[shard] = turn, json_model.sparks(one)
        return View(
            {"feed": json_model.feed(feed), "totals": json_model.totals(totals)},
            rows,
            {row.shard: json_model.cells(row, self._sparks[row.shard][1]) for row in rows},
            json_model.events(events),
            version,
        )
