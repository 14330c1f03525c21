"""Samples of fields that no other module knows, whose value is a map, a list, or a flag.

A map (`x_3:a=1,b=two`) has a sample for each number, with the name of the part as a label, and the
digits at the end of the field's name as another. A field that is repeated, or that is a list of
numbers, has a sample for each item, with its place as a label. A text that means yes or no is 1
or 0, and `nan` and `inf`, which a server writes after a division by zero, are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from zinfo.info.kinds import TEXT, kind_of
from zinfo.info.values import Value
from zinfo.metrics.names import family_of
from zinfo.metrics.replication import owners
from zinfo.metrics.sample import Fields, Labels, Sample, label_of, number_of, number_or_flag

LABELS: Final = frozenset(("index", "part"))
"""Labels of the samples."""

_NUMBERED: Final = re.compile("([a-zA-Z].*?)_?([0-9]{1,10})")
_MISSING: Final = "N/A"  # Garnet writes it for a number that it does not have
NOT_FLAGS: Final = frozenset(("process_supervised",))  # `no`, or the name of a supervisor


def base_of(name: str) -> str:
    """Return the field that the metric of a map is named after: without digits at the end."""
    found = _NUMBERED.fullmatch(name)
    return found[1] if found else name


def other_samples(fields: Fields, name: str, value: Value) -> Sequence[Sample]:
    """Return the samples of a field that is not a number and has no sampler.

    Args:
        fields: all fields of the INFO.
        name: of the field.
        value: of the field.
    """
    if isinstance(value, str):
        number = number_or_flag(value)
        if number is None or kind_of(name) == TEXT or name in NOT_FLAGS:
            return ()
        return (Sample(family_of(name), (), number),)
    if isinstance(value, dict):
        return list(_of_map(name, value))
    if isinstance(value, list):
        return list(_of_list(fields, name, value))
    return ()


def _of_map(name: str, value: Mapping[str, Value], place: int | None = None) -> Iterator[Sample]:
    found = _NUMBERED.fullmatch(name)
    of = family_of(base_of(name))
    index = [("index", found[2])] if found else []
    if place is not None:
        index = [("index", f"{found[2]}.{place}" if found else str(place))]
    for part, item in value.items():
        number = number_of(item)
        if number is not None:
            yield Sample(of, (*index, ("part", label_of(part))), number)


def _of_list(fields: Fields, name: str, value: Sequence[Value]) -> Iterator[Sample]:
    if all(isinstance(item, dict) for item in value):
        for place, item in enumerate(value):
            assert isinstance(item, dict)
            yield from _of_map(name, item, place)
        return
    numbers = [number_of(item) for item in value]
    if any(
        number is None and item != _MISSING for number, item in zip(numbers, value, strict=True)
    ):
        return  # a list of texts, some of which look like numbers
    labels: Sequence[Labels] = owners(fields, name, list(value))
    for place, number in enumerate(numbers):
        if number is not None:
            one = labels[place] if labels else (("index", str(place)),)
            yield Sample(family_of(name), one, number)
