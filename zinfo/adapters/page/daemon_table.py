"""DaemonTable: the table of a page, read from the live shards of this daemon."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

from zinfo.adapters.page.column_changes import empty_column
from zinfo.adapters.page.readings import (
    NEVER,
    Facts,
    Reading,
    Rows,
    Selection,
    YieldPoint,
)
from zinfo.adapters.page.table_view import RECENT_EVENTS
from zinfo.adapters.page.text_values import TextValues
from zinfo.info.cells import is_simple_field
from zinfo.info.columns import ABSENT, FRACTION, INTEGER, Column
from zinfo.query.column_reader import ColumnReader
from zinfo.query.field_planner import FieldPlanner
from zinfo.query.id_lists import IdLists
from zinfo.query.shard_operations import interval_of
from zinfo.security.rights import Rights
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.source import SnapshotSource
from zinfo.wire.column_pages import FLOAT64, INT64, MIXED, ColumnPart, ColumnType, native
from zinfo.wire.identity import Identity

_BATCH: Final = 64  # shards read between two yield points, which takes half a millisecond
_ABSENT_SECONDS: Final = 10.0  # after which fields that no shard had are read again
_EVENTS: Final = 5000  # stored events that are searched for those that a page receives first


class DaemonTable:
    """Reads the live shards.

    Args:
        selection: what the page requested.
        publisher: the live shards.
        poller: has the lifecycle events.
        identity: of the daemon.
        lists: the lists of the shards' ids.
        planner: learns which fields are read each second.
    """

    def __init__(
        self,
        selection: Selection,
        publisher: ShardPublisher,
        poller: SnapshotSource,
        identity: Identity,
        lists: IdLists,
        planner: FieldPlanner,
    ) -> None:
        self._rights = rights = selection.rights
        self._labels = dict(selection.labels)
        self._keys = selection.keys
        self._visible = [key for key in selection.keys if not rights.hides(key)]
        self._absent: frozenset[str] = frozenset()  # fields that no shard had
        self._absent_until = -math.inf  # monotonic clock
        self._publisher = publisher
        self._poller = poller
        self._identity = identity
        self._lists = lists
        self._planner = planner
        self._facts_of = FactsOf(rights)
        self._texts = TextValues()
        self._newest_event: int | None = None

    def read(self, yield_point: YieldPoint) -> Reading:
        """Return the shards as they are now."""
        yield_point()
        listed = self._lists.get(self._rights, self._labels, yield_point)
        ids = listed.ids
        columns = {key: Column() for key in self._visible if key not in self._absent}
        reader = ColumnReader(columns, self._publisher, yield_point)
        times, facts = array("d"), list[Facts]()
        self._texts.begin()
        while len(facts) < len(ids):
            start = len(facts)
            snapshots = reader.read(listed, start, min(_BATCH, len(ids) - start))
            batch = ids[start : len(reader.states)]
            shards = self._publisher.find_shards(batch)
            times.extend(
                [shard.info_timestamp or NEVER if shard is not None else NEVER for shard in shards]
            )
            facts += map(self._facts_of, shards, batch)
            self._texts.take(batch, snapshots, columns, start, yield_point)
            yield_point()
        self._note_fields(columns)
        empty = empty_column(len(ids))
        parts = dict.fromkeys(self._keys, empty)  # those of hidden and of absent fields
        for name, column in columns.items():
            parts[name] = _part(column, self._texts.found.get(name, {}), yield_point)
        rows = Rows(ids, times, parts, facts)
        return Reading(time.time(), self._identity.epoch, rows, self._read_events(yield_point))

    def _note_fields(self, columns: Mapping[str, Column]) -> None:
        """Note which fields have numbers, and which do not exist.

        Thousands of servers have one database, and a page requests the keys of sixteen.
        """
        self._planner.record(
            key
            for key, one in columns.items()
            if is_simple_field(key) and (INTEGER in one.marks or FRACTION in one.marks)
        )
        now = time.monotonic()
        if now < self._absent_until:
            return
        if self._absent:
            self._absent = frozenset()  # all are read the next time
            return
        self._absent = frozenset(key for key, one in columns.items() if not any(one.marks))
        self._absent_until = now + _ABSENT_SECONDS

    def close(self) -> None:
        """Do nothing: the shards are those of the daemon."""

    def _read_events(self, yield_point: YieldPoint) -> Sequence[Mapping[str, object]]:
        events, rights = self._poller.events, self._rights
        if not rights.can_call("events"):
            return []
        since = self._newest_event
        if since is None:
            since = max(0, events.newest - _EVENTS)
        self._newest_event = events.newest
        found = []
        for event in events.since(since):
            yield_point()
            if rights.can_see(event.shard) and self._has_labels(event.shard):
                found.append(rights.visible_event(event))
        return found[-RECENT_EVENTS:]

    def _has_labels(self, shard_id: str) -> bool:
        """Return whether events of a shard belong to the table; "" stands for the daemon."""
        if not self._labels or not shard_id:
            return True
        shard = self._publisher.find_shard(shard_id)
        return shard is not None and self._labels.items() <= shard.labels.items()


class FactsOf:
    """Makes the facts that a client may know of a shard.

    Args:
        rights: of the client.
    """

    def __init__(self, rights: Rights) -> None:
        hidden = rights.hidden_attributes()
        self._allowed = rights.can_call("shards")
        self._has_role, self._has_version = "role" not in hidden, "version" not in hidden

    def __call__(self, shard: RedisShard | None, shard_id: str) -> Facts:
        """Return the facts of a shard; None for one that has just been removed."""
        if shard is None:
            return Facts(shard_id)
        if not self._allowed:
            return Facts(shard_id, state=shard.state)
        return Facts(
            shard_id,
            shard.labels,
            shard.state,
            shard.reason,
            shard.last_error,
            shard.role if self._has_role else None,
            shard.version if self._has_version else None,
            shard.since,
            interval_of(shard),
        )


def _part(column: Column, others: Mapping[int, object], yield_point: YieldPoint) -> ColumnPart:
    """Return the values of a column.

    Args:
        column: whose values of `others` are marked as such.
        others: the values that are not plain numbers, by position.
        yield_point: called repeatedly.
    """
    marks = column.marks
    if not others and (FRACTION not in marks or INTEGER not in marks):
        type_: ColumnType = FLOAT64 if FRACTION in marks else INT64
        valid = bytes(marks.translate(_VALID)) if ABSENT in marks else None
        return ColumnPart(type_, native(bytes(column.values), type_), valid)
    integers = memoryview(native(bytes(column.values), INT64)).cast("q")
    fractions = memoryview(native(bytes(column.values), FLOAT64)).cast("d")
    data: list[object] = []
    for start in range(0, len(marks), _BATCH):
        yield_point()
        for position in range(start, min(start + _BATCH, len(marks))):
            mark = marks[position]
            if mark == INTEGER:
                data.append(integers[position])
            elif mark == FRACTION:
                data.append(fractions[position])
            else:
                data.append(others.get(position))
    return ColumnPart(MIXED, data, None)


_VALID: Final = bytes([0, *[1] * 255])  # by mark
