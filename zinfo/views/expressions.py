"""How a number or text is computed from the INFO of a shard: expressions as nested tuples. Pure.

As JSON they are nested arrays, which the page for browsers evaluates by the same rules.

| expression | value |
|---|---|
| `("fact", NAME)` | what the daemon reports beside INFO: an attribute of `Row` |
| `("label", NAME)` | a label of the shard |
| `("value", PATH)` | a field of INFO, or `FIELD.KEY` for an item of a map (`db0.keys`) |
| `("rate", PATH)` | growth per second of a counter between the last two polls |
| `("sum", PREFIX, KEY)` | the sum of an item of all maps `PREFIX0`, `PREFIX1`, ... |
| `("known", E)` | E; unknown where it is negative, as INFO writes -1 for that |
| `("percent", E)` | a number of percent, or a text such as `97.61%`, as a ratio |
| `("add", E, E)` | the sum; unknown where an operand is |
| `("div", E, E)` | the quotient; unknown where an operand is, or the divisor is 0 |
| `("first", E, ...)` | the first that is known |

A value that is unknown is None; so is a fact that is empty, or not finite as the age of a shard
without INFO. Each operand of `add` and `div` has to be a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TypeAlias, cast

from zinfo.client.updates import Value
from zinfo.views.rows import KEYLESS, Row

Expression: TypeAlias = "tuple[str | Expression, ...]"
Evaluator: TypeAlias = "Callable[[Row], object]"
"""Computes the value of one expression of a row; None where it is unknown."""

_NUMBER = re.compile("[0-9]+")
_PERCENT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?%")

DATABASES = tuple(f"db{number}" for number in range(16))
"""Fields that are read for the sum of all `db0`, `db1`, ...: the default number of databases."""


def fields_of(expression: Expression) -> Iterator[str]:
    """Yield the fields of INFO that an expression reads; a field may come more than once."""
    name, *operands = expression
    if name in ("value", "rate"):
        yield split_path(cast("str", operands[0]))[0]
    elif name == "sum":
        yield from DATABASES
        yield from KEYLESS
    else:
        for operand in operands:
            if isinstance(operand, tuple):
                yield from fields_of(operand)


def split_path(path: str) -> tuple[str, str]:
    """Return field and key of `FIELD.KEY`; the key is "" where there is none.

    Only maps have keys: fields whose own names contain dots are not supported.
    """
    field, _, key = path.partition(".")
    return field, key


def evaluator(expression: Expression) -> Evaluator:
    """Return the function that evaluates an expression.

    Raises:
        ValueError: the expression has an unknown form.
    """
    name, *operands = expression
    make = _MAKERS.get(cast("str", name))
    if make is None:
        raise ValueError(f"unknown expression {expression!r}")
    return make(*operands)


def number(value: object) -> float | None:
    """Return a value if it is a number, else None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return None


def _fact(name: str) -> Evaluator:
    read = attrgetter(name)

    def evaluate(row: Row) -> object:
        value = read(row)
        if value == "" or (isinstance(value, float) and not math.isfinite(value)):
            return None
        return value

    return evaluate


def _label(name: str) -> Evaluator:
    return lambda row: row.labels.get(name)


def _value(path: str) -> Evaluator:
    field, key = split_path(path)
    if not key:
        return lambda row: row.info.get(field)
    return lambda row: _item(row.info, field, key)


def _item(info: Mapping[str, Value], field: str, key: str) -> Value | None:
    found = info.get(field)
    return found.get(key) if isinstance(found, dict) else None


def _rate(path: str) -> Evaluator:
    return lambda row: row.rates.get(path)


def _sum(prefix: str, key: str) -> Evaluator:
    length = len(prefix)

    def evaluate(row: Row) -> float | None:
        total, numbers, found = 0.0, False, False
        for field, value in row.info.items():
            if field[:length] != prefix or not _NUMBER.fullmatch(field, length):
                continue
            found = True
            item = number(value.get(key)) if isinstance(value, dict) else None
            if item is not None:
                total, numbers = total + item if numbers else item, True
        if numbers:
            return total
        return 0 if row.info and not found and row.info.keys().isdisjoint(KEYLESS) else None

    return evaluate


def _known(operand: Expression) -> Evaluator:
    inner = evaluator(operand)

    def evaluate(row: Row) -> float | None:
        value = number(inner(row))
        return None if value is None or value < 0 else value

    return evaluate


def _percent(operand: Expression) -> Evaluator:
    inner = evaluator(operand)

    def evaluate(row: Row) -> float | None:
        value = inner(row)
        if isinstance(value, str) and _PERCENT.fullmatch(value):
            return float(value[:-1]) / 100
        share = number(value)
        return None if share is None else share / 100

    return evaluate


def _add(one: Expression, other: Expression) -> Evaluator:
    left, right = evaluator(one), evaluator(other)

    def evaluate(row: Row) -> float | None:
        first, second = number(left(row)), number(right(row))
        return None if first is None or second is None else first + second

    return evaluate


def _div(one: Expression, other: Expression) -> Evaluator:
    left, right = evaluator(one), evaluator(other)

    def evaluate(row: Row) -> float | None:
        first, second = number(left(row)), number(right(row))
        return None if first is None or not second else first / second

    return evaluate


def _first(*operands: Expression) -> Evaluator:
    inner: Sequence[Evaluator] = [evaluator(one) for one in operands]

    def evaluate(row: Row) -> object:
        return next((value for one in inner if (value := one(row)) is not None), None)

    return evaluate


_MAKERS: dict[str, Callable[..., Evaluator]] = {
    "fact": _fact,
    "label": _label,
    "value": _value,
    "rate": _rate,
    "sum": _sum,
    "known": _known,
    "percent": _percent,
    "add": _add,
    "div": _div,
    "first": _first,
}
