"""One sample of a metric, and how values of INFO become its number and its labels.

The modules that yield samples, one for each kind of field, import this one; `samples.py` imports
those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from zinfo.info.values import Value
from zinfo.metrics.names import Family, other_family

Number: TypeAlias = "int | float"
Labels: TypeAlias = "Sequence[tuple[str, str]]"
Fields: TypeAlias = "Mapping[str, Value]"
Sampler: TypeAlias = "Callable[[Fields, str, Value], Iterator[Sample]]"

MICRO: Final = 1e6
"""Microseconds in a second."""
MILLI: Final = 1e3
"""Milliseconds in a second."""

MAX_LABEL: Final = 256
"""Longest value of a label, in characters; the rest is cut off. A server may send a text of any
length, and Prometheus rejects a whole scrape for one label over its limit."""

_PLAIN: Final = re.compile("[a-zA-Z0-9_]{1,64}")  # the name of a part, as of a metric

_NOT_FINITE: Final = {
    "nan": float("nan"),
    "-nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
}
_FLAGS: Final[dict[str, Number]] = {
    text: number
    for number, words in enumerate(
        (("err", "fail", "false", "no", "down"), ("ok", "true", "yes", "up"))
    )
    for word in words
    for text in (word, word.capitalize(), word.upper())
}
_TEXTS: Final = {**_NOT_FINITE, **_FLAGS}


class Sample(NamedTuple):
    """One value of a metric.

    Attributes:
        family: the metric.
        labels: of the sample, in addition to those of the shard.
        value: the number.
    """

    family: Family
    labels: Labels
    value: Number


class PartMetric(NamedTuple):
    """The metric of one part of a field whose value is a map, such as `calls` in `cmdstat_get`.

    Attributes:
        family: the metric.
        labels: of the sample, in addition to those of the shard.
        divisor: converts the value to the unit of the metric.
        suffix: of the metric's name: `_sum` or `_count` in a summary.
    """

    family: Family
    labels: Labels
    divisor: float = 1
    suffix: str = ""


def number_of(value: Value | None) -> Number | None:
    """Return the number that a value is, including texts such as `nan` and `inf`; else None.

    A part of a map without `=` has the value True, which is no number.
    """
    if isinstance(value, (int, float)):
        return None if value is True or value is False else value
    return _NOT_FINITE.get(value) if isinstance(value, str) else None


def number_or_flag(value: Value | None) -> Number | None:
    """Return the number that a value is; 1 for `ok`, `true`, `yes`, `up`, 0 for the opposites.

    Returns:
        None for any other value.
    """
    return _TEXTS.get(value) if isinstance(value, str) else number_of(value)


def label_of(value: Value | None) -> str:
    """Return a value as a label: "" if it is missing, several values with commas between them."""
    if isinstance(value, str):
        return value[:MAX_LABEL]
    if isinstance(value, list):
        return ",".join(map(label_of, value))[:MAX_LABEL]
    return "" if value is None or isinstance(value, (bool, dict)) else str(value)


def items_of(value: Value | None) -> Sequence[Value]:
    """Return the values of a field that may be repeated."""
    if isinstance(value, list):
        return value
    return () if value is None else (value,)


def each(value: Value) -> Iterator[tuple[Labels, Value]]:
    """Yield each value of a field; if it is repeated, with the label `index`, its place from 0."""
    if not isinstance(value, list):
        yield (), value
        return
    for place, item in enumerate(value):
        yield (("index", str(place)),), item


def maps_of(value: Value) -> Iterator[Mapping[str, Value]]:
    """Yield the maps of a field that may be repeated."""
    for item in items_of(value):
        if isinstance(item, dict):
            yield item


def other_part(stem: str, part: str, taken: frozenset[str]) -> PartMetric | None:
    """Return the metric of a part that is not known by name: a gauge with the name of the part.

    Args:
        stem: begins the name of the metric, without the prefix.
        part: the name of the part.
        taken: names of metrics that have another source.

    Returns:
        The metric; None if its name is taken, or would have other characters than the part: so two
        parts never have one metric.
    """
    if not _PLAIN.fullmatch(part):
        return None
    of = other_family(stem + part)
    return None if of.name in taken else PartMetric(of, ())
