"""What `zinfo top --once` prints: the shards that match, sorted, in groups. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zinfo.views.column_sets import BUILT_IN, DEFAULT, SPARK
from zinfo.views.counters import COUNTERS
from zinfo.views.expressions import Expression
from zinfo.views.filtering import Filter, Known
from zinfo.views.grouping import TOTALS_FIELDS, Group, check_grouping, group_rows, grouping_fields
from zinfo.views.ordering import ordered
from zinfo.views.problems import FIELDS as PROBLEM_FIELDS
from zinfo.views.quantities import QUANTITIES, Quantity, quantity, value_of
from zinfo.views.rows import Row
from zinfo.views.totals import Totals, totals
from zinfo.wire.nearest import nearest

DEFAULT_COLUMNS = tuple(one for one in BUILT_IN[DEFAULT] if not one.endswith(SPARK))
"""The columns where none are chosen: those of the table, without sparklines."""


_COMMON_FIELDS = (
    frozenset()
    .union(*(one.fields for one in QUANTITIES.values()), COUNTERS, PROBLEM_FIELDS)
    .union(*BUILT_IN.values())
)
"""Fields that exist, although perhaps no shard has them: those of replicas, for example."""


class Query(NamedTuple):
    """What to print.

    Attributes:
        columns: the quantities.
        wanted: the filter.
        sort: name of the quantity that rows are sorted by.
        reverse: whether against its default direction.
        group: what rows are grouped by; "" for no groups.
        limit: maximum number of shards; None for all.
    """

    columns: tuple[Quantity, ...]
    wanted: Filter
    sort: str = "id"
    reverse: bool = False
    group: str = ""
    limit: int | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The fields of INFO that it reads."""
        read = frozenset().union(*(one.fields for one in self.columns), self.wanted.fields)
        read |= quantity(self.sort).fields
        if self.group:
            read |= grouping_fields(self.group) | TOTALS_FIELDS
        return read


class Listing(NamedTuple):
    """The shards to print.

    Attributes:
        rows: in their order; empty where there are groups.
        groups: the groups; empty where rows are not grouped.
        shown: number of shards in them.
        matching: number of shards that match the filter.
        total: number of all shards.
        totals: of the shards that match.
    """

    rows: Sequence[Row]
    groups: Sequence[Group]
    shown: int
    matching: int
    total: int
    totals: Totals


def query(
    columns: Sequence[str],
    *,
    wanted: str = "",
    sort: str = "",
    group: str = "",
    limit: int | None = None,
) -> Query:
    """Return what texts ask for.

    Args:
        columns: names of columns; sparklines are left out.
        wanted: a filter.
        sort: a quantity, ascending; with `-` before it, descending. "" for the id.
        group: a grouping; "" for none.
        limit: maximum number of shards.

    Raises:
        UnknownQuantityError, FilterError, GroupingError: a text is invalid; one line.
    """
    if group:
        check_grouping(group)
    name = sort.removeprefix("-") or "id"
    descending = sort.startswith("-")
    return Query(
        tuple(quantity(one) for one in columns if not one.endswith(SPARK)),
        Filter(wanted),
        name,
        quantity(name).falling != descending,
        group,
        limit,
    )


def misspelt(asked: Query, known: Known) -> str:
    """Return which name is probably a mistake, in one line; "" where none is.

    Args:
        asked: the query.
        known: the names of all fields and labels; without any field, nothing is a mistake.
    """
    problem = Filter(asked.wanted.text, known).problem
    if problem or not known.fields:
        return problem
    maps = {name.partition(".")[0] for name in known.fields}
    fields = known.fields | maps | _COMMON_FIELDS
    for one in (*asked.columns, quantity(asked.sort)):
        if one.name in QUANTITIES or one.name.startswith("label:"):
            continue
        field = one.name.removesuffix("/s")
        if field not in fields:
            names = [*QUANTITIES, *known.fields]
            return f"no shard has the field {field[:80]}{nearest(field, names)}"
    return ""


def lacks_rates(asked: Query, rows: Sequence[Row], *, all_rates: bool = False) -> int:
    """Return the number of shards of which a value is unknown until the next poll.

    Args:
        asked: the query.
        rows: all shards.
        all_rates: whether all rates are needed, not only those of the columns.
    """
    rated = [value_of(one) for one in asked.columns if _has_rate(one.expression)]
    return sum(
        row.current
        and not row.rates
        and (all_rates or any(evaluate(row) is None for evaluate in rated))
        for row in rows
    )


def _has_rate(expression: Expression) -> bool:
    return expression[0] == "rate" or any(
        _has_rate(part) for part in expression[1:] if isinstance(part, tuple)
    )


def listing(asked: Query, rows: Sequence[Row]) -> Listing:
    """Return the shards to print.

    Args:
        asked: the query.
        rows: all shards.
    """
    matching = asked.wanted(rows)
    found = ordered(matching, asked.sort, reverse=asked.reverse)[: asked.limit]
    groups: Sequence[Group] = ()
    if asked.group:
        groups = group_rows(
            found, asked.group, everything=rows, sort=asked.sort, reverse=asked.reverse
        )
    return Listing(
        () if asked.group else found,
        groups,
        len(found),
        len(matching),
        len(rows),
        totals(matching),
    )
