"""RemoteTable: the table of a page, read from one daemon, or from several that share the shards."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from gevent.threadpool import ThreadPool

from zinfo.adapters.page.readings import NEVER, Facts, Reading, Rows, Selection, YieldPoint, batched
from zinfo.client import ClientKeys, Event
from zinfo.client.sockets import clock
from zinfo.top import record
from zinfo.top.fleet_reader import FleetReader, FleetReading
from zinfo.top.record import Status
from zinfo.views.formatting import DAEMON_RESTARTED, STALE
from zinfo.wire.column_pages import MIXED, ColumnPart

DNS: Final = "dns+tcp://"
"""Scheme of an endpoint that stands for all addresses of a name."""

_FIRST_TRIES: Final = 3  # readings, of a second at most, until the first reply
_SAME_SECONDS: Final = 1.5  # by which the computed beginning of one and the same state may differ
_SAME_PART: Final = 0.25  # of an interval between two polls, by which it may differ
_SOME_FIELD: Final = ("run_id",)  # is read where a page shows no field


class _Poll(NamedTuple):
    """The newest INFO of a shard.

    Attributes:
        revision: its number.
        time: when it arrived.
        interval: seconds since the poll before; None where unknown.
    """

    revision: int
    time: float
    interval: float | None


class RemoteTable:
    """Reads the table in a thread, while the event loop runs.

    Args:
        selection: what the page requested.
        endpoints: query endpoints of the daemons.
        labels: those that every shard has to have.
        keys: CURVE keys of this client and the daemons; None where they require none.
        pool: runs what waits.
    """

    def __init__(
        self,
        selection: Selection,
        endpoints: Collection[str],
        labels: Mapping[str, str],
        keys: ClientKeys | None,
        pool: ThreadPool,
    ) -> None:
        self._keys = selection.keys
        self._are_several = len(endpoints) > 1 or any(one.startswith(DNS) for one in endpoints)
        self._pool = pool
        self._reader = FleetReader(endpoints, {**dict(selection.labels), **labels}, keys)
        self._epoch = random.getrandbits(48)
        self._is_known = False
        self._number = 0  # of the newest event
        self._polls: dict[str, _Poll] = {}
        self._facts: dict[str, Facts] = {}

    def read(self, yield_point: YieldPoint) -> Reading:
        """Return the shards as they are now."""
        for _ in range(1 if self._is_known else _FIRST_TRIES):
            found: FleetReading = self._pool.apply(self._reader.read, (self._keys or _SOME_FIELD,))
            if found.answering:
                break
        daemons, missing = self._about_daemons(found)
        if not found.answering:
            problem = "; ".join(f"{name}: {why}" for name, why in found.problems.items())
            return Reading(
                time.time(), self._epoch, None, self._events(found.events), problem,
                daemons, missing,
            )  # fmt: skip
        self._is_known = True
        if len(set(found.merged.chosen.values())) == 1 and _has_restarted(found.events):
            self._epoch += 1  # of several daemons, another copy may be shown now
        rows = self._rows(found, yield_point)
        events = self._events(found.events)
        return Reading(time.time(), self._epoch, rows, events, "", daemons, missing)

    def close(self) -> None:
        """Close the sockets."""
        self._reader.close()

    def _about_daemons(self, found: FleetReading) -> tuple[str, tuple[str, ...]]:
        """Return the lines about the daemons; of a single one its slice, if it has one."""
        if self._are_several:
            return found.daemons, tuple(map(str, found.coverage.missing))
        return found.daemons.partition(", ")[2], ()

    def _events(self, events: Collection[Event]) -> Sequence[Mapping[str, object]]:
        """Return events with numbers: each daemon has its own, which would not be unique."""
        found = []
        for event in events:
            self._number += 1
            found.append({**event.as_map(), "number": self._number})
        return found

    def _rows(self, found: FleetReading, yield_point: YieldPoint) -> Rows:
        statuses = found.merged.statuses
        ids = sorted(statuses)
        yield_point()
        readings = {one.shard: one for one in batched(found.merged.readings, yield_point)}
        self._note_polls(readings, yield_point)
        times = array("d")
        for shard in batched(ids, yield_point):
            times.append(readings[shard].time if shard in readings else NEVER)
        columns = {
            key: ColumnPart(MIXED, list(_values(ids, readings, key, yield_point)), None)
            for key in self._keys
        }
        ahead = time.time() - clock()
        before, self._facts = self._facts, {}
        for shard in batched(ids, yield_point):
            is_stale = shard in found.merged.stale
            self._facts[shard] = self._facts_of(
                shard, statuses[shard], ahead, before.get(shard), is_stale=is_stale
            )
        return Rows(ids, times, columns, list(self._facts.values()))

    def _facts_of(
        self, shard: str, status: Status, ahead: float, before: Facts | None, *, is_stale: bool
    ) -> Facts:
        """Return the facts of a shard.

        Args:
            shard: its id.
            status: what its daemon reports.
            ahead: wall clock minus the clock of `status`.
            before: the facts in the reading before; None for none.
            is_stale: whether no daemon that answers has it.
        """
        state = STALE if is_stale else status.state
        since = None if status.since is None or is_stale else status.since + ahead
        poll = self._polls.get(shard)
        interval = poll.interval if poll else None
        if before is not None and before.state == state:
            since = _steady(since, before.since, _SAME_SECONDS)
            interval = _steady(interval, before.interval, _SAME_PART * (interval or 0.0))
        return Facts(
            shard, status.labels, state, status.reason, status.error, status.role,
            status.version, since, interval,
        )  # fmt: skip

    def _note_polls(self, readings: Mapping[str, record.Reading], yield_point: YieldPoint) -> None:
        """Note which INFO is the newest of each shard, and how far apart the polls are."""
        before, self._polls = self._polls, {}
        for shard in batched(list(readings), yield_point):
            new, old = readings[shard], before.get(shard)
            if old is not None and old.revision == new.revision:
                self._polls[shard] = old
                continue
            interval = None
            if old is not None and old.revision < new.revision and new.time > old.time:
                interval = round((new.time - old.time) / (new.revision - old.revision), 1)
            self._polls[shard] = _Poll(new.revision, new.time, interval)


def _steady(new: float | None, old: float | None, tolerance: float) -> float | None:
    """Return the old number where the new one differs by so little that it is the same.

    Both are computed from clocks, and would differ a little each time.
    """
    same = new is not None and old is not None and abs(new - old) <= tolerance
    return old if same else new


def _has_restarted(events: Collection[Event]) -> bool:
    return any(event.type == DAEMON_RESTARTED for event in events)


def _values(
    ids: Sequence[str],
    readings: Mapping[str, record.Reading],
    key: str,
    yield_point: YieldPoint,
) -> Iterator[object]:
    """Yield the values of a field; None for a shard that does not have it."""
    for shard in batched(ids, yield_point):
        reading = readings.get(shard)
        yield None if reading is None else reading.fields.get(key)
