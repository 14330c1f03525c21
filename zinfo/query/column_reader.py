"""ColumnReader: the ages, states and fields of many shards, appended to columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from zinfo.info.columns import OTHER, VALUE_BYTES, Column, set_length
from zinfo.query.id_lists import IdList
from zinfo.shards.column_filler import ColumnFiller
from zinfo.shards.followed_rows import GatheredColumns
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.snapshot import Snapshot

_READ = 1024  # shards that are read at once, which takes a few tenths of a millisecond
_READ_VALUES = 5120  # values of them, at most
_COPIED = 4096  # shards whose followed fields are copied at once
_COPIED_VALUES = 65536


class ColumnReader:
    """Appends the items of shards to columns.

    Followed fields are copied from the rows of the registry, which takes a few nanoseconds a value;
    other fields are read from the newest replies.

    Args:
        columns: field name to its column, without values.
        publisher: the registry of live shards.
        yield_point: called repeatedly; may yield to the event loop.

    Attributes:
        ages: seconds since the INFO of each shard arrived, as packed float64.
        states: a byte for each shard, the number of its state in `shard.STATES`.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        publisher: ShardPublisher,
        yield_point: Callable[[], None],
    ) -> None:
        self.ages = bytearray()
        self.states = bytearray()
        self._columns = columns
        self._publisher = publisher
        self._yield_point = yield_point
        self._fillers: dict[tuple[str, ...], ColumnFiller] = {}

    def read(self, listed: IdList, first: int, most: int) -> Sequence[Snapshot | None]:
        """Append the items of the next shards; values that are not plain numbers are `OTHER`.

        The items of each shard are those of one moment.

        Args:
            listed: the shards.
            first: position in the list of the first one.
            most: greatest number of shards, at least 1.

        Returns:
            The snapshots of the shards whose items were appended, at least one; empty if no value
            is `OTHER`.
        """
        names = self._followed()
        others = tuple(name for name in self._columns if name not in names)
        count = min(most, _COPIED, _COPIED_VALUES // max(len(self._columns), 1))
        if others:
            count = min(count, _READ, _READ_VALUES // len(self._columns))
        found = self._copied(listed, first, count, names) if names else None
        if found is None:
            count = min(count, _READ, _READ_VALUES // max(len(self._columns), 1))
            return self._read(listed.ids[first : first + count], tuple(self._columns))
        ids = listed.ids[first : first + count]
        if others:
            snapshots: Sequence[Snapshot | None] = self._read(ids, others)
        else:
            snapshots = self._snapshots(ids, found)
            self.ages += found.ages
            self.states += found.states
        added = len(snapshots) if others else count
        for name, (values, marks) in zip(names, found.columns, strict=True):
            set_length(values, VALUE_BYTES * added)
            set_length(marks, added)
            self._columns[name].append(values, marks)
        return snapshots

    def _followed(self) -> list[str]:
        """Return the names of the columns that can be copied from rows."""
        fields = self._publisher.rows.fields
        return [] if fields is None else [name for name in self._columns if name in fields.places]

    def _copied(
        self, listed: IdList, first: int, count: int, names: Sequence[str]
    ) -> GatheredColumns | None:
        """Return items of shards from their rows; None if the shards have to be read."""
        if listed.positions is None or listed.changes != self._publisher.changes:
            return None
        rows, positions = self._publisher.rows, listed.positions[first : first + count]
        found = rows.gather(positions, names, time.monotonic())
        if found is not None:
            return found
        rows.fill(positions, self._yield_point)
        if listed.changes != self._publisher.changes or names != self._followed():
            return None
        return rows.gather(positions, names, time.monotonic())

    def _read(self, ids: Sequence[str], names: tuple[str, ...]) -> list[Snapshot | None]:
        """Append ages, states and some fields of shards, from their newest replies."""
        filler = self._fillers.get(names)
        if filler is None:
            columns = {name: self._columns[name] for name in names}
            filler = self._fillers[names] = ColumnFiller(columns, self.ages, self.states)
        return filler.fill(self._publisher.find_shards(ids), time.monotonic())

    def _snapshots(self, ids: Sequence[str], found: GatheredColumns) -> list[Snapshot | None]:
        """Return the snapshots of shards if a value has to be parsed."""
        if not any(OTHER in marks for _, marks in found.columns):
            return []
        shards = self._publisher.find_shards(ids)
        return [None if shard is None else shard.snapshot for shard in shards]

    def resize(self, count: int) -> None:
        """Drop the items of the shards after the first `count`."""
        for column in self._columns.values():
            column.resize(count)
        set_length(self.ages, VALUE_BYTES * count)
        set_length(self.states, count)
