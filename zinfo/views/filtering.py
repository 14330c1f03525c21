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
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from zinfo.views.amounts import AmountError, amount
from zinfo.views.expressions import Evaluator, number
from zinfo.views.filter_grammar import GRAMMAR, FilterError, Node, parse
from zinfo.views.formatting import safe
from zinfo.views.quantities import (
    FORMER_NAMES,
    QUANTITIES,
    Quantity,
    UnknownQuantityError,
    quantity,
    value_of,
)
from zinfo.views.rows import Row
from zinfo.wire.nearest import nearest

__all__ = ["GRAMMAR", "Filter", "FilterError", "Known", "parse"]

Predicate: TypeAlias = Callable[[Row], bool]

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
        return list(filter(self._test, rows)) if self else list(rows)

    def matches(self, row: Row) -> bool:
        """Return whether a row matches."""
        return self._test(row)


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


def _compile(node: Node) -> Predicate:
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


def _comparison(name: str, sign: str, value: str) -> Predicate:
    if sign in _COMPARE:
        return _compares(name, sign, value)
    equal = _equals(name, value)
    return equal if sign == "=" else _not(equal)


def _all(tests: list[Predicate]) -> Predicate:
    if len(tests) == 2:
        one, other = tests
        return lambda row: one(row) and other(row)
    return lambda row: all(test(row) for test in tests)


def _any(tests: list[Predicate]) -> Predicate:
    return lambda row: any(test(row) for test in tests)


def _not(test: Predicate) -> Predicate:
    return lambda row: not test(row)


def _contains(word: str) -> Predicate:
    wanted = word.lower()
    read = operator.attrgetter(*SEARCHED_FACTS)

    def test(row: Row) -> bool:
        for text in read(row):
            if text and wanted in text.lower():
                return True
        return any(wanted in f"{name}={text}".lower() for name, text in row.labels.items())

    return test


def _equals(name: str, value: str) -> Predicate:
    one = _quantity(name)
    same, evaluate, facts = _same_text(value), value_of(one), MATCHED_FACTS.get(name)
    try:
        wanted: float | None = amount(value, one.unit) if one.numeric else None
    except AmountError:
        wanted = None

    def test(row: Row) -> bool:
        label = row.labels.get(name)
        if label is not None and same(label):
            return True
        if facts:
            return any(same(text) for fact in facts if (text := getattr(row, fact)))
        found = evaluate(row)
        if isinstance(found, str):
            return same(found)
        exact = number(found)
        if exact is None:
            return False
        return exact == wanted or same(_whole(exact))

    return test


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


def _compares(name: str, sign: str, value: str) -> Predicate:
    one, compare = _quantity(name), _COMPARE[sign]
    if name == VERSION:
        return _compares_versions(value_of(one), compare, _numbers(value))
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
    evaluate = value_of(one)

    def test(row: Row) -> bool:
        found = number(evaluate(row))
        return found is not None and not math.isnan(found) and compare(found, wanted)

    return test


def _compares_versions(
    evaluate: Evaluator, compare: Callable[[Any, Any], bool], wanted: list[int]
) -> Predicate:
    if not wanted:
        raise FilterError("a version is compared with numbers such as 7 or 7.2.4")

    def test(row: Row) -> bool:
        found = evaluate(row)
        return bool(found) and compare(_numbers(str(found))[: len(wanted)], wanted)

    return test


def _numbers(version: str) -> list[int]:
    return [int(part) for part in _DIGITS.findall(version)]
