"""ColumnFiller: ages, states and fields of many shards, as one array for each. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from zinfo.info.cells import encoded_names, is_simple_field, read_cells
from zinfo.info.columns import ABSENT, OTHER, VALUE_BYTES, Column, set_length
from zinfo.native.loader import native
from zinfo.shards.shard import STATES, RedisShard, ShardState, state_number
from zinfo.shards.snapshot import Snapshot

_AGE = struct.Struct("<d")


class ReadFields(NamedTuple):
    """The fields that are read, in the form that native code takes.

    Attributes:
        names: of the fields, as bytes.
        kinds: a byte for each, its kind.
    """

    names: tuple[bytes, ...]
    kinds: bytes


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
        columns: field name to its column; at most 64.
        ages: is filled with the seconds since the INFO of each shard arrived, as packed float64.
        states: is filled with the number of each shard's state in `STATES`.
    """

    def __init__(self, columns: Mapping[str, Column], ages: bytearray, states: bytearray) -> None:
        names = [name for name in columns if is_simple_field(name)]
        simple = [columns[name] for name in names]
        self._fields = ReadFields(*encoded_names(names))
        self._others = [column for column in columns.values() if column not in simple]
        self._columns = list(columns.values())
        self._arrays = Arrays(
            ages,
            states,
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
        first = len(self._arrays.states)
        self._resize(first + len(shards))
        function = fill_columns if native is None else native.fill_columns
        snapshots = function(shards, self._fields, self._arrays, STATES, now, first)
        for position, snapshot in enumerate(snapshots if self._others else (), first):
            for column in self._others:
                column.marks[position] = ABSENT if snapshot is None else OTHER
        self._resize(first + len(snapshots))
        return snapshots

    def _resize(self, count: int) -> None:
        for column in self._columns:
            column.resize(count)
        set_length(self._arrays.states, count)
        set_length(self._arrays.ages, VALUE_BYTES * count)


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
        arrays.states[position] = len(states) - 1 if shard is None else state_number(shard.state)
        for number, (mark, value) in enumerate(_cells(snapshot, fields)):
            arrays.marks[number][position] = mark
            start = VALUE_BYTES * position
            arrays.values[number][start : start + VALUE_BYTES] = value
        snapshots.append(snapshot)
    return snapshots


def _cells(snapshot: Snapshot | None, fields: ReadFields) -> Sequence[tuple[int, bytes]]:
    """Return mark and value of each field."""
    if snapshot is None or not snapshot.raw:
        return [(ABSENT if snapshot is None else OTHER, bytes(VALUE_BYTES))] * len(fields.names)
    cells, count = read_cells(snapshot.raw, fields.names, fields.kinds), len(fields.names)
    return [
        (cells[place], cells[at : at + VALUE_BYTES])
        for place, at in enumerate(range(count, len(cells), VALUE_BYTES))
    ]
