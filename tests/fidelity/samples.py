"""One expected sample, and how a value of INFO becomes its number or its labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from tests.fidelity.values import Value

Labels: TypeAlias = "dict[str, str]"
Path: TypeAlias = "tuple[str, ...]"

_NOT_FINITE: Final = ("nan", "-nan", "inf", "-inf")
_YES: Final = ("ok", "true", "yes", "up")
_NO: Final = ("err", "fail", "false", "no", "down")


class Found(NamedTuple):
    """A sample, and the number that it comes from.

    Attributes:
        metric: Its name.
        labels: Its labels.
        value: Its value.
        path: The field, and the place in it; empty if it comes from several fields.
        by_name: Whether the metric is named after the field, because no table has the field.
        is_plain: Whether the metric is that of the field itself: it has one such field.
    """

    metric: str
    labels: Labels
    value: float
    path: Path = ()
    by_name: bool = False
    is_plain: bool = False


def number_of(value: Value | None) -> float | None:
    """Return the number that a value is; `nan` and `inf` are text, but numbers."""
    if isinstance(value, str):
        return float(value) if value in _NOT_FINITE else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def flag_of(value: Value | None) -> int | None:
    """Return 1 for `ok`, `Ok`, `OK` and similar texts, and 0 for `err` and similar ones."""
    if not isinstance(value, str) or value not in (value.lower(), value.upper(), value.title()):
        return None
    return 1 if value.lower() in _YES else 0 if value.lower() in _NO else None


def label_of(value: Value | None) -> str:
    """Return the text of a label."""
    if isinstance(value, list):
        return ",".join(map(label_of, value))
    return "" if value is None or isinstance(value, (bool, dict)) else str(value)


def labels_of(parts: dict[str, Value], names: tuple[str, ...], prefix: str = "") -> Labels:
    """Return parts of a map as labels."""
    return {prefix + name: label_of(parts.get(name)) for name in names}


def items_of(value: Value | None) -> list[Value | None]:
    """Return the values of a field, which may be repeated or missing."""
    return [*value] if isinstance(value, list) else [] if value is None else [value]


def places_of(name: str, value: Value) -> Iterator[tuple[Path, Value | None]]:
    """Yield the values of a field that may be repeated, with their paths."""
    for place, item in enumerate(items_of(value)):
        yield (name, str(place)) if isinstance(value, list) else (name,), item


def maps_of(name: str, value: Value) -> Iterator[tuple[Path, dict[str, Value]]]:
    """Yield the maps of a field that may be repeated, with their paths."""
    for path, item in places_of(name, value):
        if isinstance(item, dict):
            yield path, item


def each(name: str, value: Value) -> Iterator[tuple[Labels, Path, Value | None]]:
    """Yield the values of a field; if it is repeated, with their places as a label."""
    for path, item in places_of(name, value):
        yield {"index": path[1]} if path[1:] else {}, path, item


def parts_of(name: str, value: Value) -> dict[str, tuple[Path, Value]]:
    """Return the first number of each part of a field with statistics, with its path."""
    found: dict[str, tuple[Path, Value]] = {}
    for path, item in places_of(name, value):
        parts = item if isinstance(item, dict) else {}
        own = [((*path, part), part, one) for part, one in parts.items()]
        if item is not None and not parts and name.startswith("errorstat_"):
            own = [(path, "count", item)]
        for place, part, one in own:
            if number_of(one) is not None:
                found.setdefault(part, (place, one))
    return found


def numbers_in(parts: dict[str, Value]) -> Iterator[tuple[str, float]]:
    """Yield the parts of a map that are numbers."""
    for part, item in parts.items():
        number = number_of(item)
        if number is not None:
            yield part, number


def paths_of_numbers(value: Value) -> Iterator[Path]:
    """Yield where the numbers of a value are."""
    if isinstance(value, dict):
        for part, item in value.items():
            yield from ((part, *path) for path in paths_of_numbers(item))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from ((str(place), *path) for path in paths_of_numbers(item))
    elif number_of(value) is not None:
        yield ()
