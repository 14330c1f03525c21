"""The order of rows: by any quantity, unknown values last, names by the numbers in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from zinfo.views.expressions import number
from zinfo.views.formatting import STALE, value_text
from zinfo.views.quantities import NUMBER, Quantity, quantity, value_of
from zinfo.views.rows import Row
from zinfo.wire.lifecycle import BUSY, DOWN, LOADING, NEW, UP

Key: TypeAlias = Any
"""A sort key; keys of one quantity can be compared with each other."""

WORST_FIRST = (DOWN, STALE, BUSY, LOADING, NEW, UP)
"""The order of states; states that a later version of the daemon adds come before all of them."""

_DIGITS = re.compile(r"(\d+)")
_MAX_DIGITS = 18  # of a number in a name; Python refuses to convert thousands of digits


@lru_cache(maxsize=20_000)
def natural(text: str) -> tuple[object, ...]:
    """Return a sort key that puts `db-2` before `db-10`."""
    parts = _DIGITS.split(text)
    return tuple(int(part[:_MAX_DIGITS]) if at % 2 else part for at, part in enumerate(parts))


def ordered(rows: Sequence[Row], name: str = "id", *, reverse: bool = False) -> list[Row]:
    """Return rows sorted by a quantity, in its default direction.

    Rows whose value is unknown come last in either direction. Equal ones are in the order of their
    ids.

    Args:
        rows: the shards.
        name: of the quantity, as in `zinfo.views.quantities`.
        reverse: whether to sort against the quantity's default direction.

    Raises:
        UnknownQuantityError: the name is invalid.
    """
    one = quantity(name)
    key = sort_key(one)
    known, unknown = [], []
    for row in sorted(rows, key=lambda row: natural(row.shard)):
        value = key(row)
        if value is None:
            unknown.append(row)
        else:
            known.append((value, row))
    known.sort(key=lambda entry: entry[0], reverse=one.falling != reverse)
    return [row for _, row in known] + unknown


@lru_cache(maxsize=1000)
def sort_key(one: Quantity) -> Callable[[Row], Key]:
    """Return the function that gives the sort key of a row; None where the value is unknown.

    States are sorted worst first. In a field that is a number for some rows and a text for others,
    numbers come before texts in ascending order.
    """
    own = _OWN_KEYS.get(one.name)
    if own is not None:
        return own
    evaluate = value_of(one)
    if one.numeric and one.unit != NUMBER:
        return lambda row: number(evaluate(row))
    if one.unit != NUMBER:
        return lambda row: natural(str(text)) if (text := evaluate(row)) else None

    def key(row: Row) -> Key:
        value = evaluate(row)
        if value is None:
            return None
        exact = number(value)
        return (1, natural(value_text(value))) if exact is None else (0, exact)

    return key


def _state_key(row: Row) -> Key:
    state = row.shown_state
    return WORST_FIRST.index(state) if state in WORST_FIRST else -1, row.reason


_OWN_KEYS: Mapping[str, Callable[[Row], Key]] = {
    "id": lambda row: natural(row.shard),
    "state": _state_key,
    "role": lambda row: row.shown_role or None,
}
