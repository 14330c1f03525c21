"""The model of `zinfo top`: all shards, now and in the last minutes. Pure.

It has no thread, lock or clock: its owner calls one method at a time, and gives the time (`now`:
seconds of one monotonic clock).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from zinfo.client.updates import Delta, Value
from zinfo.top.event_log import EventLog
from zinfo.top.history import SERIES, STEP, STEPS, History, resampled, step_at
from zinfo.top.known_names import KnownNames
from zinfo.top.record import Reading, Record, Status
from zinfo.top.series_numbers import summed
from zinfo.views.filtering import Known
from zinfo.views.rows import ANSWERING, Copy, FeedState, Row, Section, Series
from zinfo.wire.lifecycle import Event

SILENT = 5.0
"""Seconds without a new reading from the daemon after which nothing counts as fresh."""

TOTALS_INTERVAL = 0.5
"""Seconds between two values of the sums, at least."""

NO_REPORT = "nothing was read from the daemon in time"
"""The problem that is shown in that case."""


class TopModel:
    """All shards, their last minutes, the newest events, and whether these are current.

    A view calls only these, as often as it likes:

    - `rows(now)`: every shard, as a list of `Row` sorted by id;
    - `row(shard, now)`: one shard; None where it is not watched;
    - `sections(shard, now)`: its INFO by section, with the rate and age of each field's change;
    - `series(shard, now)`: its last 15 minutes, see `Series`;
    - `totals_series(now)`: the same of all shards together (`zinfo.views.totals` has the present
      sums of any rows);
    - `events(count, shard)`: the newest events; `events_version`, which grows with each; and
      `events_complete_to`, the number up to which none is missing;
    - `lacks_sections(shard)`: whether the shard's sections should be requested;
    - `known()`: the names of all fields and labels;
    - `copies(shard)`: the daemons that poll it, where there are several;
    - `feed(now)`: whether the model is current, and why not.

    What they return is immutable and may be passed to other threads. All times are ages in seconds
    before `now`; only events have the daemon's wall clock.

    The other methods are for the feed, which writes: `update`, `apply`, `set_statuses`,
    `set_daemons`, `change_copy`, `set_state`, `add_events`, `daemon_restarted`,
    `mark_events_complete`, `set_sections`, `report`, `pause` and `resume`.
    """

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._event_log = EventLog()
        self._fresh = False
        self._problem = ""
        self._paused = False
        self._daemons = ""
        self._missing: tuple[str, ...] = ()
        self._stale: frozenset[str] = frozenset()  # shards that only silent daemons have
        self._copies: Mapping[str, Sequence[Copy]] = {}
        self._fresh_at = -math.inf
        self._reported_at = -math.inf  # when the feed reported last
        self._totals_at = -math.inf
        self._history = History()  # of the sums
        self._names = KnownNames()
        self._shown: set[str] = set()  # shards whose series was read before it was filled
        self._ahead: float | None = None  # of a daemon's wall clock, before the model's

    def __len__(self) -> int:
        return len(self._records)

    # --- for views

    def rows(self, now: float) -> list[Row]:
        """Return all shards, sorted by id."""
        fresh, stale = self._is_fresh(now), self._stale
        return [
            self._records[shard].row(shard, now, fresh=fresh and shard not in stale)
            for shard in sorted(self._records)
        ]

    def row(self, shard: str, now: float) -> Row | None:
        """Return one shard; None where it is not (or no longer) watched."""
        record = self._records.get(shard)
        return None if record is None else record.row(shard, now, fresh=self._is_fresh(now, shard))

    def sections(self, shard: str, now: float) -> list[Section]:
        """Return a shard's INFO by section; empty where it has none, or is not watched."""
        record = self._records.get(shard)
        return [] if record is None else record.sections(now)

    def series(self, shard: str, now: float) -> Series | None:
        """Return the last minutes of a shard; None where it is not (or no longer) watched."""
        record = self._records.get(shard)
        if record is None:
            return None
        if not record.filled:
            self._shown.add(shard)
        return record.series(now, fresh=self._is_fresh(now, shard))

    def totals_series(self, now: float) -> Series:
        """Return the last minutes of all shards together, as `series_numbers.summed` does."""
        return self._history.series(now, hold=now - self._totals_at < SILENT)

    def events(self, count: int, shard: str | None = None) -> Sequence[Event]:
        """Return the newest events, oldest first.

        Args:
            count: maximum number of events.
            shard: only events of this one; "" for those of the daemon itself, None for all.
        """
        return self._event_log.newest(count, shard)

    @property
    def events_version(self) -> int:
        """A number that grows with every event."""
        return self._event_log.version

    def feed(self, now: float) -> FeedState:
        """Return whether the model is current."""
        return self._feed(now)._replace(daemons=self._daemons, missing=self._missing)

    def _feed(self, now: float) -> FeedState:
        ever = math.isfinite(self._fresh_at)
        if self._paused:
            return FeedState(False, "", now - self._fresh_at, ever)
        if not self._reports(now):
            began = ever or math.isfinite(self._reported_at)
            return FeedState(False, NO_REPORT if began else "", now - self._fresh_at, ever)
        if self._fresh:
            return FeedState(True, "", 0.0, True)
        return FeedState(False, self._problem, now - self._fresh_at, ever)

    def known(self) -> Known:
        """Return the names that a filter or a column can use beside those of quantities.

        Those of fields are complete soon after the model was first read.
        """
        labels = {name for record in self._records.values() for name in record.status.labels}
        return Known(self._names.fields, frozenset(labels))

    # --- for the feed

    def unfilled(self, count: int) -> list[str]:
        """Return ids of shards whose history lacks what the daemon has, those that are shown first.

        Args:
            count: maximum number of them.
        """
        records = self._records
        shown = [one for one in self._shown if one in records and not records[one].filled]
        self._shown = set(shown)
        others = (shard for shard, record in records.items() if not record.filled)
        return list(dict.fromkeys(itertools.chain(shown, itertools.islice(others, count))))[:count]

    def fill_history(
        self, shard: str, values: Mapping[str, Sequence[float]], newest: float, step: float
    ) -> None:
        """Add what the daemon has of the past of a shard.

        Args:
            shard: its id.
            values: by name of the series, oldest first; empty where the daemon has none.
            newest: time of the last value, by the daemon's wall clock.
            step: seconds between two values.
        """
        record = self._records.get(shard)
        if record is None:
            return
        record.filled = True
        self._ahead = self._ahead if record.clock_ahead is None else record.clock_ahead
        if values and self._ahead is not None:
            last = step_at(newest - self._ahead + STEP / 2)  # the nearest step
            sampled = {name: resampled(found, step) for name, found in values.items()}
            record.history.fill(sampled, last)

    def fill_totals(self, now: float) -> Iterator[None]:
        """Compute the past of the sums from the histories of all shards.

        Args:
            now: the time.

        Yields:
            After each step of time, which takes milliseconds: the model need not be locked between.
        """
        last = step_at(now) - 1
        found: list[list[float]] = []
        for step in range(last - STEPS + 2, last + 1):
            records = list(self._records.values())
            columns = list(zip(*(record.history.at(step) for record in records), strict=True))
            primaries = [record.is_primary for record in records]
            found.append(summed(columns or [()] * len(SERIES), primaries))
            yield
        values = dict(zip(SERIES, zip(*found, strict=True), strict=True))
        self._history.fill(values, last)

    def unread_kinds(self) -> list[str]:
        """Return ids of shards whose fields stand for shards of their version and role."""
        return self._names.unread(
            (shard, record.kind)
            for shard, record in self._records.items()
            if record.status.state in ANSWERING and record.info
        )

    def add_names(self, shard: str, info: Mapping[str, Value]) -> None:
        """Add the names of the fields in a shard's whole INFO."""
        if shard in self._records:
            self._names.add(self._records[shard].kind, info)

    def update(self, reading: Reading) -> None:
        """Apply a new INFO of which only the fields of the table were read."""
        record = self._records.get(reading.shard)
        if record is None:
            record = self._records[reading.shard] = Record()
        record.update(reading)

    def apply(self, delta: Delta, now: float) -> None:
        """Apply the changes that a poll found; the first delta of a shard has its whole INFO."""
        record = self._records.get(delta.shard)
        if record is None:
            record = self._records[delta.shard] = Record()
        record.apply(delta, now)

    def pause(self) -> None:
        """Note that nothing is read from the daemon until `resume`: nothing is fresh meanwhile."""
        self._paused = True
        for record in self._records.values():
            record.miss_polls()

    def resume(self, now: float) -> None:
        """Note that the feed reads again."""
        self._paused, self._fresh, self._problem, self._reported_at = False, False, "", now
        self._totals_at = -math.inf

    def set_statuses(
        self, statuses: Mapping[str, Status], now: float, *, fresh: bool = True, problem: str = ""
    ) -> None:
        """Set the statuses of all shards; a shard that is missing in them is removed.

        Args:
            statuses: by id.
            now: the time of the statuses.
            fresh: whether the model has all that the daemon has.
            problem: why not, in one line.
        """
        for shard in self._records.keys() - statuses.keys():
            del self._records[shard]
        for shard, status in statuses.items():
            record = self._records.get(shard)
            if record is None:
                record = self._records[shard] = Record()
            record.set_status(status, now)
        self.report(now, fresh=fresh, problem=problem)
        if now - self._totals_at >= TOTALS_INTERVAL:
            self._record_totals(now)

    def set_daemons(
        self,
        text: str,
        missing: Sequence[str] = (),
        stale: frozenset[str] = frozenset(),
        copies: Mapping[str, Sequence[Copy]] | None = None,
    ) -> None:
        """Set what is known of the daemons.

        Args:
            text: a line about them; "" for nothing worth a line.
            missing: slices and daemons without which shards may be missing, a line each.
            stale: shards that only silent daemons have.
            copies: the daemons that poll each shard, by id; None where there is one daemon.
        """
        self._daemons, self._missing, self._stale = text, tuple(missing), stale
        self._copies = copies or {}

    def copies(self, shard: str) -> Sequence[Copy]:
        """Return the daemons that poll a shard; empty where there is one daemon for all."""
        return self._copies.get(shard, ())

    def change_copy(self, shard: str) -> None:
        """Note that another daemon's copy of a shard is shown from now on."""
        if shard in self._records:
            self._records[shard].change_copy()

    def report(self, now: float, *, fresh: bool, problem: str = "") -> None:
        """Report whether the model is current.

        Args:
            now: the time.
            fresh: whether it has all that the daemon has.
            problem: why not, in one line.
        """
        self._reported_at, self._fresh, self._problem = now, fresh, problem
        if fresh:
            self._fresh_at = now

    def set_state(self, shard: str, state: str, reason: str) -> None:
        """Set the state that an event reports, and why it is down; "" in other states."""
        if shard in self._records:
            self._records[shard].set_state(state, reason)

    def add_events(self, events: Iterable[Event]) -> None:
        """Add events, in any order; events that are stored already are ignored."""
        self._event_log.add(events)

    def daemon_restarted(self) -> None:
        """Note that the daemon was restarted: it counts events and revisions from 1 again."""
        for record in self._records.values():
            record.restart_revisions()
        self._event_log.restart_numbering()

    @property
    def events_complete_to(self) -> int:
        """Up to this number (of the daemon's present run) no event is missing."""
        return self._event_log.complete_to

    def mark_events_complete(self, number: int) -> None:
        """Note that every event up to this number was added, or is no longer available."""
        self._event_log.mark_complete(number)

    def set_sections(self, shard: str, sections: Mapping[str, Collection[str]]) -> None:
        """Set which fields of a shard's INFO are in which section."""
        if shard in self._records:
            self._records[shard].set_sections(sections)

    def lacks_sections(self, shard: str) -> bool:
        """Return whether a shard has fields whose section is unknown."""
        record = self._records.get(shard)
        return record is not None and record.lacks_sections()

    # --- internals

    def _reports(self, now: float) -> bool:
        return not self._paused and now - self._reported_at <= SILENT

    def _is_fresh(self, now: float, shard: str = "") -> bool:
        return self._fresh and self._reports(now) and shard not in self._stale

    def _record_totals(self, now: float) -> None:
        numbers: Sequence[float] = (math.nan,) * len(SERIES)
        if self._is_fresh(now):
            current = [
                record
                for shard, record in self._records.items()
                if record.status.state in ANSWERING and record.numbers and shard not in self._stale
            ]
            columns = list(zip(*(record.numbers for record in current), strict=True))
            numbers = summed(
                columns or [()] * len(SERIES), [record.is_primary for record in current]
            )
        followed = now - self._totals_at < SILENT
        first = step_at(self._totals_at) + 1 if followed else None
        self._history.add(numbers, step_at(now), first)
        self._totals_at = now
