"""Filters rows by an expression such as `site=fra ops>100 !down`. Pure."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from zinfo.views.columns import FORMER_NAMES, hits
from zinfo.views.formatting import role_text
from zinfo.views.rows import Row

Predicate: TypeAlias = Callable[[Row], bool]

GRAMMAR = (
    ("db-1", "part of id, state, reason, role, version or a label"),
    ("site=fra", "the label site is fra"),
    ("state=down", "a column's value; also shard, reason, role, version"),
    ("shard=db-*", "* matches any text, ? one character"),
    ("site!=fra", "the label site is not fra, or missing"),
    ("ops>1k", "more than 1000 ops/s; k M G; also <, >=, <="),
    ("memory>2G", "more than 2 GiB; also maxmemory, clients, keys"),
    ("hits<80%", "hit ratio below 80%; full>90%: of maxmemory"),
    ("age>10s", "older than 10 seconds; m, h; also interval"),
    ("!replica", "! negates a word"),
    ("role=primary ops>0", "all words must match"),
)
"""Each form of a word in a filter, and its meaning."""


class FilterError(ValueError):
    """A filter is invalid; the message says why, in one line."""


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _roles(row: Row) -> Sequence[str]:
    """Return both names of a role: role=primary and role=master find the same shards."""
    return (row.role, role_text(row.role)) if row.role else ()


_TEXTS: dict[str, Callable[[Row], Sequence[str]]] = {
    "shard": lambda row: (row.shard,),
    "id": lambda row: (row.shard,),
    "state": lambda row: (row.shown_state,),
    "reason": lambda row: (row.reason,),
    "role": _roles,
    "version": lambda row: (row.version,) if row.version else (),
}
_NUMBERS: dict[str, Callable[[Row], float | None]] = {
    "ops": lambda row: row.ops if row.current else None,
    "memory": lambda row: row.memory,
    "maxmemory": lambda row: row.maxmemory,
    "full": lambda row: row.full,
    "clients": lambda row: row.clients if row.current else None,
    "keys": lambda row: row.keys,
    "hits": hits,
    "interval": lambda row: row.interval,
    "age": lambda row: _finite(row.age),
}
_SCALES = {"memory": 1024, "maxmemory": 1024}
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TIMES = ("interval", "age")
_PARTS = ("hits", "full")

_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+|"')
_TERM = re.compile(r"(?P<name>[^=<>!]+)(?P<sign>!=|>=|<=|=|>|<)(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"(?P<digits>\d+(?:\.\d+)?|\.\d+)(?P<unit>[a-z%]*)")

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda one, other: one == other,
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
}


class Filter:
    """A filter of rows.

    Args:
        text: words as in `GRAMMAR`; a word with spaces is put in double quotes.

    Attributes:
        text: the same, without surrounding spaces.

    Raises:
        FilterError: a word is invalid.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text.strip()
        self._tests = [_test(word) for word in _words(self.text)]

    def __bool__(self) -> bool:
        return bool(self._tests)

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that match every word, in their order."""
        tests = self._tests
        return [row for row in rows if all(test(row) for test in tests)]


def _words(text: str) -> Iterator[str]:
    if text.count('"') % 2:
        raise FilterError('a " is missing: put a word with spaces between two of them')
    for found in _WORD.finditer(text):
        yield found[0].replace('"', "")


def _test(word: str) -> Predicate:
    plain = word.lstrip("!")
    if not plain:
        raise FilterError("! needs a word to negate, as in !down")
    test = _plain_test(plain)
    return (lambda row: not test(row)) if (len(word) - len(plain)) % 2 else test


def _plain_test(word: str) -> Predicate:
    term = _TERM.fullmatch(word)
    if term is None:
        if any(sign in word for sign in "=<>"):
            raise FilterError(
                f"{word}: the name before the sign is missing, as in site=fra or ops>100"
            )
        return _contains(word)
    name, sign, value = term["name"], term["sign"], term["value"]
    if not value:
        raise FilterError(f"{word}: the value after {sign} is missing")
    if sign == "!=":
        equal = _equals(name, value)
        return lambda row: not equal(row)
    if sign == "=":
        return _equals(name, value)
    return _compares(name, sign, value)


def _contains(word: str) -> Predicate:
    wanted = word.casefold()

    def test(row: Row) -> bool:
        texts = (row.shard, row.status, row.state, row.version or "", *_roles(row))
        return any(wanted in text.casefold() for text in texts) or any(
            wanted in f"{name}={text}".casefold() for name, text in row.labels.items()
        )

    return test


def _equals(name: str, value: str) -> Predicate:
    """Match a column or a label of that name; a label may have the name of a column."""
    wanted, column = value.casefold(), _TEXTS.get(name.lower())
    # `fnmatch` takes linear time for many stars; "[" has no special meaning here.
    pattern = re.compile(fnmatch.translate(wanted.replace("[", "[[]")))
    number_name = _current_name(name)
    number = _NUMBERS.get(number_name)
    amount = _amount(number_name, value) if number and _NUMBER.fullmatch(wanted) else None

    def test(row: Row) -> bool:
        texts = [*(column(row) if column else ()), row.labels.get(name)]
        if any(text is not None and pattern.match(text.casefold()) for text in texts):
            return True
        return number is not None and amount is not None and number(row) == amount

    return test


def _compares(name: str, sign: str, value: str) -> Predicate:
    number_name = _current_name(name)
    number = _NUMBERS.get(number_name)
    if number is None:
        raise FilterError(f"{name} is not a number; {', '.join(sorted(_NUMBERS))} can be compared")
    amount, compare = _amount(number_name, value), _COMPARE[sign]

    def test(row: Row) -> bool:
        found = number(row)
        return found is not None and compare(found, amount)

    return test


def _current_name(name: str) -> str:
    name = name.lower()
    return FORMER_NAMES.get(name, name)


def _amount(name: str, value: str) -> float:
    """Return the value of a number with its unit, or raise FilterError."""
    found = _NUMBER.fullmatch(value.lower())
    if found is None:
        raise FilterError(f"{value} is not a number such as 100, 1.5k, 2G, 80% or 10s")
    digits, unit = float(found["digits"]), found["unit"]
    if name in _PARTS and unit in ("", "%"):
        return digits / 100
    if name in _TIMES and unit in _SECONDS:
        return digits * _SECONDS[unit]
    size = unit.removesuffix("b") if name in _SCALES else unit
    if name not in (*_PARTS, *_TIMES) and size in _UNITS:
        return float(digits * _SCALES.get(name, 1000) ** _UNITS[size])
    raise FilterError(f"{value} has a unit that does not fit {name}")
