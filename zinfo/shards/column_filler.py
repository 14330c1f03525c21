"""ColumnFiller: ages, states and fields of many shards, as one array for each. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from zinfo.info.cells import FieldPlan, encoded_names, is_simple_field, read_cells
from zinfo.info.columns import ABSENT, OTHER, VALUE_BYTES, Column, set_length
from zinfo.native.loader import native
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot

STATES: Final = tuple(ShardState)
"""The states, in the order of their numbers; the last one is that of a removed shard."""

_AGE = struct.Struct("<d")


class ReadFields(NamedTuple):
    """The fields that are read, in the form that native code takes.

    Attributes:
        names: of the fields, as bytes.
        kinds: a byte for each, its kind.
        head: that the cells of a snapshot begin with if they have all of the fields; empty if none
            have.
        places: a byte for each field, its number in such cells.
        planned: number of fields in such cells.
    """

    names: tuple[bytes, ...]
    kinds: bytes
    head: bytes
    places: bytes
    planned: int

    @classmethod
    def of(cls, names: Sequence[str], plan: FieldPlan | None) -> ReadFields:
        """Return some fields, all of which are `is_simple_field`."""
        encoded, kinds = encoded_names(names)
        if plan is None or not all(name in plan.places for name in names):
            return cls(encoded, kinds, b"", bytes(len(names)), 0)
        places = bytes(plan.places[name] for name in names)
        return cls(encoded, kinds, plan.head, places, len(plan.places))


class Arrays(NamedTuple):
    """Arrays with an item for each shard.

    Attributes:
        ages: seconds since the INFO arrived, float64; infinite without one.
        states: a byte, the number of the state in `STATES`.
        values: for each field an array, as in `Column`.
        marks: for each field an array, as in `Column`.
    """

    ages: bytearray
    states: bytearray
    values: tuple[bytearray, ...]
    marks: tuple[bytearray, ...]


class ColumnFiller:
    """Fills columns with the values of shards.

    Args:
        columns: field name to its column, without values; at most 64.
        plan: the fields that were read when the newest replies arrived; None for none.

    Attributes:
        ages: seconds since the INFO of each shard arrived, as packed float64.
        states: for each shard the number of its state in `STATES`.
    """

    def __init__(self, columns: Mapping[str, Column], plan: FieldPlan | None) -> None:
        names = [name for name in columns if is_simple_field(name)]
        simple = [columns[name] for name in names]
        self._fields = ReadFields.of(names, plan)
        self._others = [column for column in columns.values() if column not in simple]
        self._columns = list(columns.values())
        self.ages = bytearray()
        self.states = bytearray()
        self._arrays = Arrays(
            self.ages,
            self.states,
            tuple(column.values for column in simple),
            tuple(column.marks for column in simple),
        )

    def fill(self, shards: list[RedisShard | None], now: float) -> list[Snapshot | None]:
        """Append the items of some shards.

        Values that are not plain numbers are marked as `OTHER`; the caller has to parse them.

        Args:
            shards: None for one that was removed.
            now: monotonic clock, for the ages.

        Returns:
            The snapshots whose values were appended: those of the first of the shards, as many as
            can be read in well below 2 ms; at least one.
        """
        first = len(self.states)
        self.resize(first + len(shards))
        function = fill_columns if native is None else native.fill_columns
        snapshots = function(shards, self._fields, self._arrays, STATES, now, first)
        for position, snapshot in enumerate(snapshots if self._others else (), first):
            for column in self._others:
                column.marks[position] = ABSENT if snapshot is None else OTHER
        self.resize(first + len(snapshots))
        return snapshots

    def resize(self, count: int) -> None:
        """Set the number of shards in all arrays; added items are zero."""
        for column in self._columns:
            column.resize(count)
        set_length(self.states, count)
        set_length(self.ages, VALUE_BYTES * count)


def fill_columns(
    shards: list[RedisShard | None],
    fields: ReadFields,
    arrays: Arrays,
    states: tuple[ShardState, ...],
    now: float,
    first: int,
) -> list[Snapshot | None]:
    """Fill arrays with the items of some shards; `zinfo._native` has the same function."""
    snapshots = []
    for position, shard in enumerate(shards, first):
        snapshot = shard.snapshot if shard else None
        age = math.inf if snapshot is None else max(now - snapshot.at, 0.0)
        _AGE.pack_into(arrays.ages, VALUE_BYTES * position, age)
        arrays.states[position] = len(states) - 1 if shard is None else _number(states, shard)
        for number, (mark, value) in enumerate(_cells(snapshot, fields)):
            arrays.marks[number][position] = mark
            start = VALUE_BYTES * position
            arrays.values[number][start : start + VALUE_BYTES] = value
        snapshots.append(snapshot)
    return snapshots


def _number(states: tuple[ShardState, ...], shard: RedisShard) -> int:
    return next((number for number, state in enumerate(states) if state is shard.state), 0)


def _cells(snapshot: Snapshot | None, fields: ReadFields) -> Sequence[tuple[int, bytes]]:
    """Return mark and value of each field."""
    if snapshot is None or not snapshot.raw:
        return [(ABSENT if snapshot is None else OTHER, bytes(VALUE_BYTES))] * len(fields.names)
    if fields.head and snapshot.cells.startswith(fields.head):
        cells, places, count = snapshot.cells[len(fields.head) :], fields.places, fields.planned
    else:
        cells, count = read_cells(snapshot.raw, fields.names, fields.kinds, b""), len(fields.names)
        places = bytes(range(count))
    values = [cells[at : at + VALUE_BYTES] for at in range(count, len(cells), VALUE_BYTES)]
    return [(cells[place], values[place]) for place in places]
