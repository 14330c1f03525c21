"""Columns of all shards of a fleet, from those of its daemons. Pure.

Each column of the daemons is joined as the pages of one daemon are, which finds a type that has all
values exactly. Then the values of the newest copies are taken, in the order of the ids.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import inf
from typing import Any, NamedTuple, cast

from zinfo.client.columns import Column, Columns, joined
from zinfo.client.requests import Map
from zinfo.client.updates import Value
from zinfo.wire.column_pages import FLOAT64, INT64, MIXED

_INT64 = range(-(2**63), 2**63)


class MemberColumns(NamedTuple):
    """The columns of one daemon.

    Attributes:
        columns: the columns; all daemons have the same names.
        received_at: local clock when they were received, from which the ages count.
    """

    columns: Columns
    received_at: float


def merged_columns(members: Sequence[MemberColumns]) -> Columns:
    """Return the columns of all shards; of a shard that several daemons have, the newest copy.

    Args:
        members: at least one.
    """
    if len(members) == 1:
        return members[0].columns
    every = [member.columns for member in members]
    chosen = _newest(members)
    positions = list(chosen.values())
    ages = b"".join(columns.ages for columns in every)
    states = list(chain.from_iterable(columns.states for columns in every))
    return Columns(
        ids=tuple(chosen),
        ages=_floats(map(memoryview(ages).cast("d").__getitem__, positions)),
        states=tuple(map(states.__getitem__, positions)),
        columns={
            name: _taken(joined([columns[name] for columns in every]), positions)
            for name in every[0]
        },
    )


def _newest(members: Sequence[MemberColumns]) -> dict[str, int]:
    """Return the position of the newest copy of each shard in the joined columns, sorted by id."""
    newest: dict[str, float] = {}
    positions: dict[str, int] = {}
    first = 0
    for columns, received_at in members:
        for position, (shard, age) in enumerate(zip(columns.ids, columns.ages, strict=True), first):
            arrived = received_at - age
            if shard not in newest or arrived > newest[shard]:
                newest[shard] = arrived
                positions[shard] = position
        first += len(columns.ids)
    return {shard: positions[shard] for shard in sorted(positions)}


def _taken(column: Column, positions: list[int]) -> Column:
    """Return a column with the values at some positions."""
    if column.dtype == MIXED:
        values = cast("list[Value | None]", column.values)
        return Column(MIXED, list(map(values.__getitem__, positions)), None)
    taken = map(column.values.__getitem__, positions)
    packed = _integers(taken) if column.dtype == INT64 else _floats(taken)
    valid = None
    if column.valid is not None:
        valid = bytes(map(column.valid.__getitem__, positions))
    return Column(column.dtype, packed, valid if valid and 0 in valid else None)


def _integers(values: Iterable[Any]) -> memoryview[int]:
    return memoryview(array("q", values).tobytes()).cast("q")


def _floats(values: Iterable[Any]) -> memoryview[float]:
    return memoryview(array("d", values).tobytes()).cast("d")


def columns_of_entries(
    names: Sequence[str], shards: Sequence[Map], infos: Sequence[Map], now: float
) -> MemberColumns:
    """Return the columns of a daemon of a version without them.

    Args:
        names: of the fields.
        shards: its reply to `shards`.
        infos: its reply to `get_infos`.
        now: local clock when the replies were received.
    """
    entries = sorted(shards, key=lambda entry: str(entry["id"]))
    fields: Mapping[str, Map] = {info["meta"]["shard_identifier"]: info for info in infos}
    found = [fields.get(entry["id"], {}) for entry in entries]
    ages = [_age(entry, info) for entry, info in zip(entries, found, strict=True)]
    columns = Columns(
        ids=tuple(entry["id"] for entry in entries),
        ages=_floats(ages),
        states=tuple(str(entry.get("state")) for entry in entries),
        columns={name: _column([info.get(name) for info in found]) for name in names},
    )
    return MemberColumns(columns, now)


def _age(entry: Map, info: Map) -> float:
    if info:
        return float(info["meta"]["info_age"])
    age = entry.get("age")
    return inf if age is None else float(age)


def _column(values: list[Value | None]) -> Column:
    """Return a column with the type that a newer daemon would give it."""
    types = {type(value) for value in values} - {type(None)}
    valid = bytes(value is not None for value in values)
    there = valid if 0 in valid else None
    if types <= {int} and all(value in _INT64 for value in values if value is not None):
        return Column(INT64, _integers(value or 0 for value in values), there)
    if types <= {int, float} and all(_is_exact(value) for value in values):
        return Column(FLOAT64, _floats(value or 0 for value in values), there)
    return Column(MIXED, values, None)


def _is_exact(value: Value | None) -> bool:
    return not isinstance(value, int) or (value in _INT64 and int(float(value)) == value)
