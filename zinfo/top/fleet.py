"""The model of `zinfo top`: what is known of all shards, now and in the last minutes. Pure.

It has neither thread nor lock nor clock: whoever owns it calls one method at a time, and says what
time it is (`now`: seconds of one clock that never goes back).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from zinfo.client.updates import Delta
from zinfo.top.counters import ratio
from zinfo.top.event_log import Happenings
from zinfo.top.history import STEP, History
from zinfo.top.record import Record, Status
from zinfo.top.rows import FeedState, Row, Section, Series, Totals
from zinfo.wire.lifecycle import Event

SILENT = 3.0
"""Seconds without a word from the feed after which nothing passes for fresh."""

NO_WORD = "the thread that reads from the daemon does not report"
"""The problem in such a case."""


class Fleet:
    """All shards, their last minutes, the last events, and whether all that can be relied on.

    A view may call, as often as it likes, any of these, and nothing else:

    - `rows(now)`: every shard, as a list of `Row` in the order of ids;
    - `row(shard, now)`: one of them, or None where there is none;
    - `sections(shard, now)`: every field of its INFO by section, with rate and time of change;
    - `series(shard, now)`: its last five minutes of ops/s, memory, hit ratio and clients;
    - `totals(now, rows)`, `totals_series(now)`: the same for all shards together;
    - `events(count, shard)`: the newest events, and `events_version`, which grows with each;
    - `feed(now)`: whether what is shown is current, and why not.

    What they return never changes afterwards, and may be handed to other threads. All times are
    ages: seconds before `now`; only an event has the daemon's wall clock.

    The other methods are for the feed, which writes: `apply`, `observe`, `interrupt`, `happened`,
    `daemon_restarted`, `have_events_to` and `place`.
    """

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._happenings = Happenings()
        self._fresh = False
        self._problem = ""
        self._fresh_at = -math.inf
        self._heard_at = -math.inf  # when the feed reported last
        self._summed_at = -math.inf
        self._ops, self._memory, self._hit_ratio, self._clients = (History() for _ in range(4))

    # --- for views

    def rows(self, now: float) -> list[Row]:
        """Return all shards, in the order of their ids."""
        heard = self._heard(now)
        return [
            self._records[shard].row(shard, now, heard=heard) for shard in sorted(self._records)
        ]

    def row(self, shard: str, now: float) -> Row | None:
        """Return one shard; None where it is not (or no more) watched."""
        record = self._records.get(shard)
        return None if record is None else record.row(shard, now, heard=self._heard(now))

    def sections(self, shard: str, now: float) -> list[Section]:
        """Return every field of a shard's INFO; empty where it has none, or is not watched."""
        record = self._records.get(shard)
        return [] if record is None else record.sections(now)

    def series(self, shard: str, now: float) -> Series | None:
        """Return the last minutes of a shard; None where it is not (or no more) watched."""
        record = self._records.get(shard)
        return None if record is None else record.series(now)

    def totals(self, now: float, rows: Sequence[Row] | None = None) -> Totals:
        """Return the sums over all shards.

        Args:
            now: our clock.
            rows: what `rows(now)` returned, where that is at hand; it spares making them again.
        """
        return self._totals(self.rows(now) if rows is None else rows)

    def totals_series(self, now: float) -> Series:
        """Return the last minutes of the sums."""
        return Series(
            STEP,
            int(now // STEP),
            self._ops.values(now, STEP),
            self._memory.values(now, STEP),
            self._hit_ratio.values(now, STEP),
            self._clients.values(now, STEP),
        )

    def events(self, count: int, shard: str | None = None) -> Sequence[Event]:
        """Return the newest events, oldest first.

        Args:
            count: how many at most.
            shard: only of this one; "" for those of the daemon itself, None for all.
        """
        return self._happenings.last(count, shard)

    @property
    def events_version(self) -> int:
        """A number that grows with every event."""
        return self._happenings.version

    def feed(self, now: float) -> FeedState:
        """Return whether what is shown is current."""
        ever = math.isfinite(self._fresh_at)
        if not self._heard(now):
            began = ever or math.isfinite(self._heard_at)
            return FeedState(False, NO_WORD if began else "", now - self._fresh_at, ever)
        if self._fresh:
            return FeedState(True, "", 0.0, True)
        return FeedState(False, self._problem, now - self._fresh_at, ever)

    # --- for the feed

    def apply(self, delta: Delta, now: float) -> None:
        """Take what a poll changed; the first of a shard has its whole INFO."""
        record = self._records.get(delta.shard)
        if record is None:
            record = self._records[delta.shard] = Record()
        record.apply(delta, now)

    def observe(
        self, statuses: Mapping[str, Status], now: float, *, fresh: bool, problem: str = ""
    ) -> None:
        """Take how all shards do; one that is not among them is watched no more.

        Args:
            statuses: by id.
            now: when that was so.
            fresh: whether the whole is what the daemon has.
            problem: why not, in one line.
        """
        for shard in self._records.keys() - statuses.keys():
            del self._records[shard]
        for shard, status in statuses.items():
            record = self._records.get(shard)
            if record is None:
                record = self._records[shard] = Record()
            record.observe(status, now)
        self._heard_at, self._fresh, self._problem = now, fresh, problem
        if fresh:
            self._fresh_at = now
        if now - self._summed_at >= STEP / 2:
            self._sum(now)

    def interrupt(self, shard: str) -> None:
        """A shard did not answer for a while."""
        if shard in self._records:
            self._records[shard].interrupt()

    def happened(self, events: Iterable[Event]) -> None:
        """Take events, in any order; one that is held already is not taken again."""
        self._happenings.add(events)

    def daemon_restarted(self) -> None:
        """The daemon was started again: its events are numbered from 1."""
        self._happenings.begin_anew()

    @property
    def events_whole_to(self) -> int:
        """Up to this number (of this start of the daemon) no event is missing."""
        return self._happenings.whole_to

    def have_events_to(self, number: int) -> None:
        """Whatever came up to this number was taken, or is not to be had."""
        self._happenings.have_all_to(number)

    def place(self, shard: str, sections: Mapping[str, Collection[str]]) -> None:
        """Take which fields of a shard's INFO are in which section."""
        if shard in self._records:
            self._records[shard].place(sections)

    def unplaced(self, shard: str) -> bool:
        """Return whether a shard has fields of which no section is known."""
        record = self._records.get(shard)
        return record is not None and record.unplaced()

    # --- inside

    def _heard(self, now: float) -> bool:
        return now - self._heard_at <= SILENT

    def _totals(self, rows: Sequence[Row]) -> Totals:
        current = [row for row in rows if row.current]
        states = Counter(row.state if row.fresh else "stale" for row in rows)
        reads = [self._records[row.shard].reads or (0.0, 0.0) for row in current]
        return Totals(
            shards=len(rows),
            states=states,
            ops=sum(row.ops or 0 for row in current),
            memory=sum(row.memory or 0 for row in current),
            clients=sum(row.clients or 0 for row in current),
            keys=sum(row.keys or 0 for row in current),
            hit_ratio=ratio(sum(hits for hits, _ in reads), sum(misses for _, misses in reads)),
        )

    def _sum(self, now: float) -> None:
        rows = self.rows(now)
        totals, known = self._totals(rows), any(row.current for row in rows)
        since = self._summed_at if now - self._summed_at < SILENT else None
        for history, value in (
            (self._ops, totals.ops),
            (self._memory, totals.memory),
            (self._hit_ratio, totals.hit_ratio),
            (self._clients, totals.clients),
        ):
            history.add(value if known and value is not None else math.nan, now, since)
        self._summed_at = now
