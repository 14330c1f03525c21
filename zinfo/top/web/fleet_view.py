"""The view of all shards that the open pages share, computed about once a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from zinfo.top.source import Source
from zinfo.top.web import json_model
from zinfo.views.expressions import DATABASES
from zinfo.views.filtering import Filter
from zinfo.views.rows import Row

_MAX_AGE = 0.5  # seconds for which a view is reused
_EVENTS = 100  # the newest events in a view
_SPARKS_INTERVAL = 5  # seconds between two updates of a shard's sparklines


class FleetView(NamedTuple):
    """All shards at one moment.

    Attributes:
        number: 1 for the first view, and 1 more for each.
        head: state of the feed, and the totals.
        rows: all shards.
        cells: their rows of the table, by id.
        events: the newest ones.
        events_version: grows with each event.
    """

    number: int
    head: dict[str, Any]
    rows: list[Row]
    cells: dict[str, json_model.Cells]
    events: list[list[str]]
    events_version: int

    def matching(self, wanted: Filter) -> Mapping[str, json_model.Cells]:
        """Return the rows that match a filter."""
        if not wanted:
            return self.cells
        return {row.shard: self.cells[row.shard] for row in wanted(self.rows)}


class FleetViewer:
    """Computes views, and reuses a recent one: all pages together cost as much as one page.

    Args:
        source: owns the model.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = float("-inf")
        self._view: FleetView | None = None
        self._sparks: dict[
            str, tuple[int, json_model.Sparks]
        ] = {}  # with the number of their period

    def current(self) -> FleetView:
        """Return a view that is at most half a second old."""
        now = self._source.now()
        if self._view is None or now - self._at >= _MAX_AGE:
            self._at, self._view = now, self._compute(now)
        return self._view

    def _compute(self, now: float) -> FleetView:
        number, former = (self._view.number, self._view.cells) if self._view else (0, {})
        before, self._sparks = self._sparks, {}
        means = {}
        self._source.want("page", DATABASES)
        with self._source.locked() as model:
            rows = model.rows(now)
            feed, totals = model.feed(now), model.totals(now, rows)
            events, version = model.events(_EVENTS), model.events_version
            for position, row in enumerate(rows):
                # Shifted by the position, so that each second a fifth of the shards is due.
                period = (int(now) + position) // _SPARKS_INTERVAL
                had = before.get(row.shard)
                if had is not None and had[0] == period:
                    self._sparks[row.shard] = had
                else:
                    means[row.shard] = period, model.means(row.shard, now)
        for shard, (period, one) in means.items():
            assert one is not None, "it has a row"
            self._sparks[shard] = period, json_model.sparks(one)
        return FleetView(
            number + 1,
            {"feed": json_model.feed(feed), "totals": json_model.totals(totals)},
            rows,
            {
                row.shard: json_model.cells(row, self._sparks[row.shard][1], former.get(row.shard))
                for row in rows
            },
            json_model.events(events),
            version,
        )
