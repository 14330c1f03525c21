"""Where the columns of the table are: the id stays at the left, the others scroll. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zinfo.top.terminal.table_columns import Column
from zinfo.views.columns import GAP

MARK = 1
"""Characters at the left for the mark of the cursor, for terminals without reverse video."""

_LEAST_ID = 16  # characters that the id has at least, if it needs them
_ID_SHARE = 0.35  # of the width that the id has at least, if it needs it
_WIDE = 100  # characters of a table in which a state has room for why and since when
_WIDE_STATE = 17
_WIDEST_SPARK = 20  # up to which sparklines take unused space


class Placed(NamedTuple):
    """A visible column.

    Attributes:
        column: what it shows.
        left: where it begins.
        width: in characters.
    """

    column: Column
    left: int
    width: int


class Layout(NamedTuple):
    """The visible columns, from left to right.

    Attributes:
        placed: the columns, the id first.
        offset: how many columns after the id are hidden at the left.
        hidden: how many are hidden at the right.
    """

    placed: Sequence[Placed]
    offset: int
    hidden: int

    def at(self, x: int) -> Column | None:
        """Return the column at a place; None where there is none."""
        return next(
            (one.column for one in self.placed if one.left <= x < one.left + one.width + GAP), None
        )


def lay_out(columns: Sequence[Column], width: int, longest: int, offset: int) -> Layout:
    """Return which columns are visible, and where.

    Args:
        columns: all of them, the id first.
        width: of the table.
        longest: characters of the longest id.
        offset: how many columns after the id to hide at the left; fewer where that leaves space.
    """
    first, *others = (_with_room(one, width) for one in columns)
    room = width - MARK
    least = max(1, min(longest, max(_LEAST_ID, round(room * _ID_SHARE)), room))
    widths = [one.width for one in others]
    begin = max(0, min(offset, last_offset(widths, room - least)))
    end = _fitting(widths, begin, room - least)
    if end < len(others):  # the mark that there are more takes one column
        end = max(begin, _fitting(widths, begin, room - least - 1))
    left = room - least - sum(GAP + one for one in widths[begin:end]) - (end < len(others))
    spare = max(0, min(left, longest - least))
    shown = _widened(others[begin:end], max(0, left - spare))
    placed = list(_placed([(first, least + spare), *shown]))
    return Layout(placed, begin, len(others) - end)


def _with_room(column: Column, width: int) -> Column:
    """Return the column with its width in a table of this width."""
    wide = column.name == "state" and width >= _WIDE
    return column._replace(width=_WIDE_STATE) if wide else column


def _fitting(widths: Sequence[int], begin: int, room: int) -> int:
    """Return the number after the last column that fits."""
    end = begin
    while end < len(widths) and room >= GAP + widths[end]:
        room -= GAP + widths[end]
        end += 1
    return end


def last_offset(widths: Sequence[int], room: int) -> int:
    """Return the offset at which the last column is visible, and no smaller one does that."""
    at = len(widths)
    while at > 0 and room >= GAP + widths[at - 1]:
        room -= GAP + widths[at - 1]
        at -= 1
    return min(at, max(0, len(widths) - 1))


def _widened(columns: Sequence[Column], spare: int) -> list[tuple[Column, int]]:
    """Return the columns and their widths: sparklines share unused space."""
    sparks = sum(1 for one in columns if one.series)
    more = min(spare // sparks, _WIDEST_SPARK) if sparks else 0
    return [
        (one, min(one.width + more, max(one.width, _WIDEST_SPARK)) if one.series else one.width)
        for one in columns
    ]


def _placed(columns: Sequence[tuple[Column, int]]) -> Iterator[Placed]:
    left = MARK
    for column, width in columns:
        yield Placed(column, left, width)
        left += width + GAP
