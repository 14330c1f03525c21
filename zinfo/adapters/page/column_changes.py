"""Finds the values of a column that changed between two readings. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from zinfo.adapters.page.readings import YieldPoint
from zinfo.wire.column_pages import MIXED, ColumnPart, numbers

_BATCH = 512  # values compared between two yield points, which takes 50 us where all differ
_WIDTH = 8  # bytes of a packed number


def changes(
    before: ColumnPart, after: ColumnPart, yield_point: YieldPoint
) -> tuple[list[int], list[object]]:
    """Return the positions at which a column changed, and its values there.

    Args:
        before: the column in the reading before, in the order of the same shards.
        after: the column now.
        yield_point: called repeatedly.
    """
    positions: list[int] = []
    values: list[object] = []
    for start in range(0, after.count, _BATCH):
        yield_point()
        end = start + _BATCH
        if _is_same(before, after, start, end):
            continue
        pairs = zip(part_of(before, start, end), part_of(after, start, end), strict=True)
        for position, (old, new) in enumerate(pairs, start):
            if old != new and not (old != old and new != new):  # noqa: PLR0124  # NaN is no change
                positions.append(position)
                values.append(new)
    return positions, values


def _is_same(before: ColumnPart, after: ColumnPart, start: int, end: int) -> bool:
    """Return whether a part of two columns is certainly the same."""
    if before.type != after.type:
        return False
    if isinstance(before.data, list):
        return before.data[start:end] == after.data[start:end]
    one, other = memoryview(before.data), memoryview(cast("bytes", after.data))
    if one[start * _WIDTH : end * _WIDTH] != other[start * _WIDTH : end * _WIDTH]:
        return False
    return _valid(before, start, end) == _valid(after, start, end)


def _valid(part: ColumnPart, start: int, end: int) -> bytes | None:
    if part.valid is None:
        return None
    valid = part.valid[start:end]
    return valid if 0 in valid else None


def part_of(part: ColumnPart, start: int, end: int) -> Sequence[object]:
    """Return some values of a column; None where a shard does not have the field."""
    if isinstance(part.data, list):
        return part.data[start:end]
    found: list[object] = list(numbers(part.data, part.type)[start:end])
    if part.valid is not None:
        for position, there in enumerate(part.valid[start:end]):
            if not there:
                found[position] = None
    return found


def rearranged(part: ColumnPart, former: Sequence[int], yield_point: YieldPoint) -> ColumnPart:
    """Return a column in the order of another list of shards.

    Args:
        part: the column.
        former: for each shard of the new list its position in the old one; -1 for a new shard,
            which has no value.
        yield_point: called repeatedly.
    """
    old: list[object] = []
    for start in range(0, part.count, _BATCH):
        yield_point()
        old += part_of(part, start, start + _BATCH)
    data: list[object] = []
    for start in range(0, len(former), _BATCH):
        yield_point()
        data += [None if at < 0 else old[at] for at in former[start : start + _BATCH]]
    return ColumnPart(MIXED, data, None)


def empty_column(count: int) -> ColumnPart:
    """Return a column without values.

    Args:
        count: number of shards.
    """
    return ColumnPart(MIXED, [None] * count, None)
