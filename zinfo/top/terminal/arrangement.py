"""The lines of the table: rows, filtered, sorted and grouped as the user has chosen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from zinfo.views.filtering import Filter
from zinfo.views.grouping import Group, group_rows, grouping_fields
from zinfo.views.ordering import ordered
from zinfo.views.quantities import quantity
from zinfo.views.rows import Row


class GroupLine(NamedTuple):
    """The line of a group, above its shards unless it is folded.

    Attributes:
        group: the group.
        folded: whether its shards are not shown.
    """

    group: Group
    folded: bool


Item: TypeAlias = "Row | GroupLine"


class Arranged(NamedTuple):
    """The content of the table.

    Attributes:
        items: its lines.
        rows: the rows that match the filter.
        total: number of all rows.
        grouped: whether there are groups.
    """

    items: Sequence[Item]
    rows: Sequence[Row]
    total: int
    grouped: bool


class Arrangement:
    """What the user has chosen: filter, sort order, grouping, and which groups are folded.

    Attributes:
        filter: of rows.
        sort: name of the quantity that rows are sorted by.
        reverse: whether the direction is not the quantity's default.
        grouping: as in `zinfo.views.grouping`; "" for none.
    """

    def __init__(self) -> None:
        self.filter = Filter()
        self.sort = "id"
        self.reverse = False
        self.grouping = ""
        self._all_folded = True
        self._others: set[str] = set()  # keys of groups that are not as `_all_folded` says

    @property
    def fields(self) -> frozenset[str]:
        """The fields of INFO that it reads."""
        grouping = grouping_fields(self.grouping) if self.grouping else frozenset()
        return self.filter.fields | quantity(self.sort).fields | grouping

    @property
    def ascending(self) -> bool:
        """Whether the sort order is ascending."""
        return quantity(self.sort).falling == self.reverse

    def choose_sort(self, name: str) -> None:
        """Sort by a quantity; reverse the order if rows are sorted by it already."""
        self.reverse = not self.reverse if name == self.sort else False
        self.sort = name

    def choose_grouping(self, by: str) -> None:
        """Group rows; all groups are folded."""
        self.grouping = by
        self.fold_all(folded=True)

    def fold_all(self, *, folded: bool) -> None:
        """Fold or unfold all groups."""
        self._all_folded = folded
        self._others.clear()

    def toggle(self, key: str) -> None:
        """Fold a group, or unfold it."""
        self._others ^= {key}

    def is_folded(self, key: str) -> bool:
        """Return whether a group is folded."""
        return self._all_folded != (key in self._others)

    def arrange(self, rows: Sequence[Row]) -> Arranged:
        """Return the content of the table.

        Args:
            rows: all shards.
        """
        shown = self.filter(rows) if self.filter else rows
        in_order = ordered(shown, self.sort, reverse=self.reverse)
        if not self.grouping:
            return Arranged(in_order, shown, len(rows), grouped=False)
        groups = group_rows(
            in_order, self.grouping, everything=rows, sort=self.sort, reverse=self.reverse
        )
        return Arranged(list(self._lines(groups)), shown, len(rows), grouped=True)

    def _lines(self, groups: Sequence[Group]) -> Iterator[Item]:
        for group in groups:
            folded = self.is_folded(group.key)
            yield GroupLine(group, folded)
            if not folded:
                yield from group.rows
