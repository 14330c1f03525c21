"""Filters rows by an expression such as `site=fra ops>100 !down`. Pure.

What a comparison `NAME=VALUE` means, for both evaluators:

- NAME is `label:LABEL`, a name of `QUANTITIES` in any case, or a field of INFO as in `quantities`.
  A label that is called NAME is compared, too.
- `=` compares texts without regard to case, `*` standing for any text and `?` for one character; of
  a number, its digits where it is whole. Where VALUE is a number with a unit that fits, equal
  numbers match, too. `state` is compared with and without the reason, and `role` by both names, as
  in `MATCHED_FACTS`. `!=` matches what `=` does not.
- `<` `>` `<=` `>=` compare numbers. Of a version as many numbers are compared as VALUE has: 7.2.4
  is `<=7.2` and before 7.10. An unknown value matches none of them.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, reduce
from itertools import compress
from typing import Any, NamedTuple, TypeAlias, cast

from zinfo.views.amounts import AmountError, amount
from zinfo.views.column_values import numbers_of, values_of
from zinfo.views.expressions import number
from zinfo.views.filter_grammar import GRAMMAR, FilterError, Node, parse
from zinfo.views.formatting import safe
from zinfo.views.quantities import (
    FORMER_NAMES,
    QUANTITIES,
    Quantity,
    UnknownQuantityError,
    quantity,
)
from zinfo.views.rows import Row
from zinfo.wire.nearest import nearest

__all__ = ["GRAMMAR", "Filter", "FilterError", "Known", "parse"]

Test: TypeAlias = "Callable[[Sequence[Row]], Sequence[bool]]"
"""Returns for each row whether it matches. Columns of values are computed for all rows at once."""

MATCHED_FACTS: Mapping[str, Sequence[str]] = {
    "state": ("status", "shown_state"),
    "role": ("role", "shown_role"),
}
"""The facts that `NAME=` compares, where these are more than the quantity itself."""

SEARCHED_FACTS = ("shard", "status", "state", "version", "role", "shown_role")
"""The facts in which a word without a sign is searched for; besides, labels as `NAME=VALUE`."""

VERSION = "version"
"""The text whose parts are compared as numbers."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_MAX_WHOLE = 2.0**53  # above it, a float may stand for several whole numbers
_DIGITS = re.compile(r"[0-9]{1,9}")
_LABEL = "label:"
_SCALARS = frozenset((str, int, float))  # classes of values that `=` compares; no maps, no lists


class Known(NamedTuple):
    """The names that a filter can use beside those of `QUANTITIES`.

    Attributes:
        fields: the fields of INFO of all shards, as far as they are known.
        labels: names of the labels of all shards.
    """

    fields: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()


class Filter:
    """A filter of rows.

    Args:
        text: words as in `GRAMMAR`.
        known: names of fields and labels, to find misspelt ones; None or empty if unknown.

    Attributes:
        text: the same, without surrounding spaces.
        node: its tree, as `filter_grammar.parse` returns it.
        fields: the fields of INFO that the filter reads.
        problem: what is probably a mistake, in one line: a name that is neither a quantity, a known
            field nor a known label. "" where there is none.

    Raises:
        FilterError: the text is invalid.
    """

    def __init__(self, text: str = "", known: Known | None = None) -> None:
        self.text = text.strip()
        self.node = parse(self.text)
        known = known or Known()
        names = list(dict.fromkeys(_names(self.node)))
        self.fields = frozenset(
            field
            for name in names
            for field in _quantity(name).fields
            if name not in known.labels or field in known.fields or name in QUANTITIES
        )
        self.problem = next((line for name in names if (line := _problem(name, known))), "")
        self._test = _compile(self.node)

    def __bool__(self) -> bool:
        return self.node != ["and"]

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that match, in their order."""
        return list(compress(rows, self._test(rows))) if self else list(rows)

    def matches(self, row: Row) -> bool:
        """Return whether a row matches."""
        return self._test([row])[0]


def _names(node: Node) -> Iterator[str]:
    """Yield the names in a filter, of quantities in their present form."""
    if node[0] == "compare":
        yield _present_name(cast("str", node[1]))
    else:
        for part in node[1:]:
            if isinstance(part, list):
                yield from _names(part)


def _present_name(name: str) -> str:
    lower = name.lower()
    lower = FORMER_NAMES.get(lower, lower)
    return lower if lower in QUANTITIES else name


def _quantity(name: str) -> Quantity:
    try:
        return quantity(name)
    except UnknownQuantityError:
        pass
    try:  # a label may have any name; what has no other meaning is one
        return quantity(f"{_LABEL}{name}")
    except UnknownQuantityError as error:
        raise FilterError(safe(str(error))) from None


def _problem(name: str, known: Known) -> str:
    """Return that a name is not known, in one line; "" where it is, or where none are known."""
    if name in QUANTITIES or name in known.labels or not (known.fields or known.labels):
        return ""
    if name.startswith(_LABEL):
        label = name.removeprefix(_LABEL)
        if label in known.labels:
            return ""
        return f"no shard has a label {safe(label[:80])}{nearest(label, known.labels)}"
    path = name.removesuffix("/s")
    if not known.fields or path in known.fields or path.partition(".")[0] in known.fields:
        return ""
    names = [*QUANTITIES, *known.labels, *known.fields]
    close = nearest(path, names)
    return f"{safe(name[:80])} is neither a column, a field nor a label{close}"


def _compile(node: Node) -> Test:
    kind, *parts = node
    if kind == "text":
        return _contains(cast("str", parts[0]))
    if kind == "compare":
        name, sign, value = cast("list[str]", parts)
        return _comparison(_present_name(name), sign, value)
    tests = [_compile(cast("Node", part)) for part in parts]
    if kind == "not":
        return _not(tests[0])
    return _any(tests) if kind == "or" else _all(tests)


def _comparison(name: str, sign: str, value: str) -> Test:
    if sign in _COMPARE:
        return _compares(name, sign, value)
    equal = _equals(name, value)
    return equal if sign == "=" else _not(equal)


def _all(tests: list[Test]) -> Test:
    def every(rows: Sequence[Row]) -> Sequence[bool]:
        left = list(range(len(rows)))  # positions of the rows that all tests so far match
        for test in tests:
            these = rows if len(left) == len(rows) else [rows[at] for at in left]
            left = list(compress(left, test(these)))
        return _mask(left, len(rows))

    return every


def _any(tests: list[Test]) -> Test:
    def some(rows: Sequence[Row]) -> Sequence[bool]:
        left = list(range(len(rows)))  # positions of the rows that no test so far matches
        for test in tests:
            matched = test([rows[at] for at in left])
            left = [at for at, match in zip(left, matched, strict=True) if not match]
        return [not one for one in _mask(left, len(rows))]

    return some


def _mask(positions: Sequence[int], count: int) -> list[bool]:
    mask = [False] * count
    for at in positions:
        mask[at] = True
    return mask


def _not(test: Test) -> Test:
    return lambda rows: [not one for one in test(rows)]


def _contains(word: str) -> Test:
    wanted = word.lower()
    read = operator.attrgetter(*SEARCHED_FACTS)

    def matches(row: Row) -> bool:
        for text in read(row):
            if text and wanted in text.lower():
                return True
        return any(wanted in f"{name}={text}".lower() for name, text in row.labels.items())

    return lambda rows: list(map(matches, rows))


def _equals(name: str, value: str) -> Test:
    one = _quantity(name)
    same = _same_text(value)
    try:
        wanted: float | None = amount(value, one.unit) if one.numeric else None
    except AmountError:
        wanted = None

    @lru_cache(maxsize=1000)
    def same_value(found: object) -> bool:
        if isinstance(found, str):
            return same(found)
        exact = number(found)
        return exact is not None and (exact == wanted or same(_whole(exact)))

    def matches(values: Sequence[object]) -> list[bool]:
        return [
            value is not None and value.__class__ in _SCALARS and same_value(value)
            for value in values
        ]

    def test(rows: Sequence[Row]) -> Sequence[bool]:
        found = [
            matches(list(map(operator.attrgetter(fact), rows)))
            for fact in MATCHED_FACTS.get(name, ())
        ] or [matches(values_of(one, rows))]
        labels = [row.labels.get(name) for row in rows]
        if any(labels):
            found.append(matches(labels))
        return reduce(_either, found)

    return test


def _either(one: list[bool], other: list[bool]) -> list[bool]:
    return [first or second for first, second in zip(one, other, strict=True)]


def _same_text(value: str) -> Callable[[str], bool]:
    """Return the comparison of a text with a value in which * and ? have their meaning."""
    wanted = value.lower()
    if "*" not in wanted and "?" not in wanted:
        return lambda text: text.lower() == wanted
    # `fnmatch` takes linear time for many stars; "[" has no special meaning here.
    pattern = re.compile(fnmatch.translate(wanted.replace("[", "[[]")))
    return lambda text: pattern.match(text.lower()) is not None


def _whole(value: float) -> str:
    """Return the digits of a whole number; "" for others."""
    return str(int(value)) if abs(value) < _MAX_WHOLE and value == int(value) else ""


def _compares(name: str, sign: str, value: str) -> Test:
    one, compare = _quantity(name), _COMPARE[sign]
    if name == VERSION:
        return _compares_versions(one, compare, _numbers(value))
    if not one.numeric:
        raise FilterError(
            f"{safe(name[:80])} is a text, which has no order: only = and != compare it; numbers "
            "are ops, memory and others, and fields of INFO"
        )
    try:
        wanted = amount(value, one.unit)
    except AmountError as error:
        said = safe(f"{name[:80]}{sign}{value[:40]}: {error}")
        raise FilterError(said) from None
    return lambda rows: [
        found is not None and compare(found, wanted) for found in numbers_of(one, rows)
    ]


def _compares_versions(
    one: Quantity, compare: Callable[[Any, Any], bool], wanted: list[int]
) -> Test:
    if not wanted:
        raise FilterError("a version is compared with numbers such as 7 or 7.2.4")
    return lambda rows: [
        bool(found) and compare(_numbers(str(found))[: len(wanted)], wanted)
        for found in values_of(one, rows)
    ]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in _DIGITS.findall(version)]
