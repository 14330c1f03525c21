"""The columns of the table: any quantity, as text of a fixed width, or as a sparkline. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from zinfo.views.column_sets import BUILT_IN, MAX_COLUMNS, SPARK
from zinfo.views.column_sets import DEFAULT as DEFAULT_SET
from zinfo.views.columns import OVERALL
from zinfo.views.expressions import number
from zinfo.views.formatting import NOTHING, ratio_text, role_text, short_text
from zinfo.views.quantities import QUANTITIES, Quantity, UnknownQuantityError, quantity, value_of
from zinfo.views.rows import Row

DEFAULT = BUILT_IN[DEFAULT_SET]
"""The columns where none are chosen, from left to right."""

_SPARK_WIDTH = 7
_TEXT_WIDTH = 12
_NUMBER_WIDTH = 5
_WIDTHS = {"id": 16, "state": 14, "role": 7, "version": 7, "error": 30}
_WIDEST_HEADING = 20


class Column(NamedTuple):
    """One column.

    Attributes:
        name: the text that names it: that of its quantity; of a sparkline with `~` behind it.
        heading: the text above it.
        width: in characters.
        right: whether it is right-aligned.
        quantity: what it shows.
        series: of a sparkline, the field of `Series` that it draws; else "".
    """

    name: str
    heading: str
    width: int
    right: bool
    quantity: Quantity
    series: str = ""


@lru_cache(maxsize=1000)
def column(text: str) -> Column:
    """Return the column that a text names.

    Args:
        text: the name of a quantity, or of one with a series and `~` behind it.

    Raises:
        UnknownQuantityError: it names none.
    """
    if text.endswith(SPARK):
        one = quantity(text.removesuffix(SPARK))
        if not one.series:
            raise UnknownQuantityError(f"{one.name} has no sparkline")
        return Column(text, "", _SPARK_WIDTH, False, one, one.series)
    one = quantity(text)
    heading = len(one.heading[:_WIDEST_HEADING])
    width = _WIDTHS.get(one.name, max(_NUMBER_WIDTH if one.numeric else _TEXT_WIDTH, heading))
    return Column(one.name, one.heading, width, one.numeric, one)


def columns_of(names: Iterable[str]) -> list[Column]:
    """Return columns by name, the id first; texts that name none are left out."""
    found = {"id": column("id")}
    for name in list(names)[:MAX_COLUMNS]:
        try:
            one = column(name)
        except UnknownQuantityError:
            continue
        found.setdefault(one.name, one)
    return list(found.values())


def cell_text(one: Column, row: Row) -> str:
    """Return the text of a column that is no sparkline."""
    value = value_of(one.quantity)(row)
    if one.name == "role":
        return role_text(value)
    if one.name == "hits" and value is None and row.current:
        overall = number(value_of(QUANTITIES["hits_overall"])(row))
        return NOTHING if overall is None else f"{OVERALL}{ratio_text(overall)}"
    return short_text(value, one.quantity.unit)
