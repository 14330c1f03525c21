"""DaemonTable: the table of a page, read from the live shards of this daemon."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

from zinfo.adapters.page.readings import (
    NEVER,
    Facts,
    Reading,
    Rows,
    Selection,
    YieldPoint,
)
from zinfo.adapters.page.table_view import RECENT_EVENTS
from zinfo.info.columns import ABSENT, FRACTION, INTEGER, OTHER, Column
from zinfo.query.column_reader import ColumnReader
from zinfo.query.id_lists import IdLists
from zinfo.query.servicer import InfoQuery
from zinfo.query.shard_operations import interval_of
from zinfo.security.rights import Rights
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.shards.source import SnapshotSource
from zinfo.wire.codec import unpack
from zinfo.wire.column_pages import FLOAT64, INT64, MIXED, ColumnPart, ColumnType, native
from zinfo.wire.identity import Identity

_BATCH: Final = 512  # shards read between two yield points
_MAX_VALUE: Final = 4096  # bytes of a value; a larger one is left out
_MAX_VALUES: Final = 16 << 20  # bytes of all values that are not plain numbers
_EVENTS: Final = 5000  # stored events that are searched for those that a page receives first


class DaemonTable:
    """Reads the live shards.

    Args:
        selection: what the page requested.
        publisher: the live shards.
        poller: has the lifecycle events.
        identity: of the daemon.
        lists: the lists of the shards' ids.
    """

    def __init__(
        self,
        selection: Selection,
        publisher: ShardPublisher,
        poller: SnapshotSource,
        identity: Identity,
        lists: IdLists,
    ) -> None:
        self._rights = selection.rights
        self._labels = dict(selection.labels)
        self._keys = selection.keys
        self._publisher = publisher
        self._poller = poller
        self._identity = identity
        self._lists = lists
        self._newest_event: int | None = None

    def read(self, yield_point: YieldPoint) -> Reading:
        """Return the shards as they are now."""
        yield_point()
        listed = self._lists.get(self._rights, self._labels, yield_point)
        ids = listed.ids
        columns = {key: Column() for key in self._keys}
        visible = {key: one for key, one in columns.items() if not self._rights.hides(key)}
        reader = ColumnReader(visible, self._publisher, yield_point)
        times, values = array("d"), _OtherValues(visible)
        facts: list[Facts] = []
        while len(facts) < len(ids):
            start = len(facts)
            snapshots = reader.read(listed, start, min(_BATCH, len(ids) - start))
            batch = ids[start : len(reader.states)]
            for shard_id, shard in zip(batch, self._publisher.find_shards(batch), strict=True):
                times.append(NEVER if shard is None else shard.info_timestamp or NEVER)
                facts.append(Facts(shard_id) if shard is None else facts_of(shard, self._rights))
            values.take(snapshots, start, yield_point)
            yield_point()
        for column in columns.values():
            column.resize(len(ids))  # those of hidden fields
        parts = {
            name: _part(column, values.found.get(name, {}), yield_point)
            for name, column in columns.items()
        }
        rows = Rows(ids, times, parts, facts)
        return Reading(time.time(), self._identity.epoch, rows, self._read_events(yield_point))

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


def facts_of(shard: RedisShard, rights: Rights) -> Facts:
    """Return what a client may know of a shard besides its INFO.

    Args:
        shard: the shard.
        rights: of the client.
    """
    if not rights.can_call("shards"):
        return Facts(shard.id, state=shard.state.value)
    hidden = rights.hidden_attributes()
    return Facts(
        shard.id,
        shard.labels,
        shard.state.value,
        shard.reason,
        shard.last_error,
        None if "role" in hidden else shard.role,
        None if "version" in hidden else shard.version,
        shard.since,
        interval_of(shard),
    )


class _OtherValues:
    """The values that are not plain numbers: texts, maps and unusual numbers.

    Args:
        columns: of the fields.

    Attributes:
        found: for each field the values, by position.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.found: dict[str, dict[int, object]] = {}
        self._columns = columns
        self._left = _MAX_VALUES

    def take(
        self, snapshots: Sequence[Snapshot | None], start: int, yield_point: YieldPoint
    ) -> None:
        """Parse the values of some shards, which are marked as `OTHER`.

        Args:
            snapshots: of the shards; empty if there is no such value.
            start: position of the first one.
            yield_point: called repeatedly.
        """
        if not snapshots:
            return
        for name, column in self._columns.items():
            position = column.marks.find(OTHER, start)
            if position < 0:
                continue
            select = InfoQuery(keys=(name,)).field_selector()
            while position >= 0:
                yield_point()
                snapshot = snapshots[position - start]
                value = select(snapshot).get(name) if snapshot else None
                size = column.set(position, value)
                if size:
                    self._add(name, column, position, size)
                position = column.marks.find(OTHER, position + 1)

    def _add(self, name: str, column: Column, position: int, size: int) -> None:
        packed = column.others.pop(position)
        self._left -= size
        if size > _MAX_VALUE or self._left < 0:
            column.marks[position] = ABSENT
        else:
            self.found.setdefault(name, {})[position] = unpack(packed)


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
