"""Which shards are shown: a line of words, read once and asked of every row. Pure."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from zinfo.top.columns import hits
from zinfo.top.rows import Row

Test: TypeAlias = Callable[[Row], bool]

GRAMMAR = (
    ("db-1", "db-1 is in the id, state, reason, role, version or a label"),
    ("site=fra", "the label site is fra"),
    ("state=down", "likewise shard, state, reason, role, version"),
    ("shard=db-*", "* stands for anything, ? for one character"),
    ("site!=fra", "it is not"),
    ("ops>1k", "a number is over; k M G; also <, >=, <="),
    ("memory>2G", "likewise memory, maxmemory, clients, keys"),
    ("hits<80%", "the hit ratio is under 80 %; likewise full, of maxmemory"),
    ("age>10s", "seconds; also m and h; likewise every"),
    ("!replica", "not what follows"),
    ("role=master ops>0", "all words together"),
)
"""Each form that a word of a filter may have, and what it means."""


class FilterError(ValueError):
    """A filter makes no sense; the message says why, in one line."""


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


_TEXTS: dict[str, Callable[[Row], str | None]] = {
    "shard": lambda row: row.shard,
    "id": lambda row: row.shard,
    "state": lambda row: row.state if row.fresh else "stale",
    "reason": lambda row: row.reason,
    "role": lambda row: row.role,
    "version": lambda row: row.version,
}
_NUMBERS: dict[str, Callable[[Row], float | None]] = {
    "ops": lambda row: row.ops if row.current else None,
    "memory": lambda row: row.memory,
    "maxmemory": lambda row: row.maxmemory,
    "full": lambda row: row.full,
    "clients": lambda row: row.clients if row.current else None,
    "keys": lambda row: row.keys,
    "hits": hits,
    "every": lambda row: row.interval,
    "age": lambda row: _finite(row.age),
}
_SCALES = {"memory": 1024, "maxmemory": 1024}
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TIMES = ("every", "age")
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
    """Chooses rows.

    Args:
        text: words, as `GRAMMAR` has them; a word with spaces stands in double quotes.

    Attributes:
        text: the same.

    Raises:
        FilterError: a word makes no sense.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text.strip()
        self._tests = [_test(word) for word in _words(self.text)]

    def __bool__(self) -> bool:
        return bool(self._tests)

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that pass every test, in their order."""
        tests = self._tests
        return [row for row in rows if all(test(row) for test in tests)]


def _words(text: str) -> Iterator[str]:
    if text.count('"') % 2:
        raise FilterError('a " has no other one: put words with spaces between two of them')
    for found in _WORD.finditer(text):
        yield found[0].replace('"', "")


def _test(word: str) -> Test:
    plain = word.lstrip("!")
    if not plain:
        raise FilterError("! stands before what is not to be shown, as in !down")
    test = _plain_test(plain)
    return (lambda row: not test(row)) if (len(word) - len(plain)) % 2 else test


def _plain_test(word: str) -> Test:
    term = _TERM.fullmatch(word)
    if term is None:
        if any(sign in word for sign in "=<>"):
            raise FilterError(
                f"{word}: there is no name before the sign, as in site=fra or ops>100"
            )
        return _contains(word)
    name, sign, value = term["name"], term["sign"], term["value"]
    if not value:
        raise FilterError(f"{word}: there is no value after {sign}")
    if sign == "!=":
        equal = _equals(name, value)
        return lambda row: not equal(row)
    if sign == "=":
        return _equals(name, value)
    return _compares(name, sign, value)


def _contains(word: str) -> Test:
    wanted = word.casefold()

    def test(row: Row) -> bool:
        texts = (row.shard, row.status, row.state, row.role or "", row.version or "")
        return any(wanted in text.casefold() for text in texts) or any(
            wanted in f"{name}={text}".casefold() for name, text in row.labels.items()
        )

    return test


def _equals(name: str, value: str) -> Test:
    """A column or a label of that name has that value; labels may be called as columns are."""
    wanted, column = value.casefold(), _TEXTS.get(name.lower())
    # `fnmatch` takes no longer for many stars; its [abc] is none of ours.
    pattern = re.compile(fnmatch.translate(wanted.replace("[", "[[]")))
    number = _NUMBERS.get(name.lower())
    amount = _amount(name.lower(), value) if number and _NUMBER.fullmatch(wanted) else None

    def test(row: Row) -> bool:
        texts = [column(row) if column else None, row.labels.get(name)]
        if any(text is not None and pattern.match(text.casefold()) for text in texts):
            return True
        return number is not None and amount is not None and number(row) == amount

    return test


def _compares(name: str, sign: str, value: str) -> Test:
    number = _NUMBERS.get(name.lower())
    if number is None:
        raise FilterError(f"{name} is no number: {', '.join(sorted(_NUMBERS))} can be compared")
    amount, compare = _amount(name.lower(), value), _COMPARE[sign]

    def test(row: Row) -> bool:
        found = number(row)
        return found is not None and compare(found, amount)

    return test


def _amount(name: str, value: str) -> float:
    """Return what a number with its unit comes to, or raise FilterError."""
    found = _NUMBER.fullmatch(value.lower())
    if found is None:
        raise FilterError(f"{value} is no number, such as 100, 1.5k, 2G, 80% or 10s")
    digits, unit = float(found["digits"]), found["unit"]
    if name in _PARTS and unit in ("", "%"):
        return digits / 100
    if name in _TIMES and unit in _SECONDS:
        return digits * _SECONDS[unit]
    size = unit.removesuffix("b") if name in _SCALES else unit
    if name not in (*_PARTS, *_TIMES) and size in _UNITS:
        return float(digits * _SCALES.get(name, 1000) ** _UNITS[size])
    raise FilterError(f"{value} has a unit that {name} is not told in")
