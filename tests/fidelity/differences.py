"""The differences between what zinfo gives and what is right, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from tests.info_texts import exact
from tests.metrics.texts import Samples


def of_fields(found: Mapping[str, object], wanted: Mapping[str, object]) -> Iterator[str]:
    """Yield each field that is lost, invented or wrong; 1, 1.0, True and "1" differ."""
    for name in wanted:
        if name not in found:
            yield f"lost {name}: {wanted[name]!r}"
        elif exact(found[name]) != exact(wanted[name]):
            yield f"wrong {name}: {found[name]!r}, not {wanted[name]!r}"
    for name in found:
        if name not in wanted:
            yield f"invented {name}: {found[name]!r}"


def of_shards(
    path: str, found: Mapping[str, Mapping[str, object]], wanted: Mapping[str, Mapping[str, object]]
) -> Iterator[str]:
    """Yield the differences of the fields of all shards."""
    for shard in wanted:
        for one in of_fields(found.get(shard, {}), wanted[shard]):
            yield f"{path}: {shard}: {one}"
    for shard in found:
        if shard not in wanted:
            yield f"{path}: invented shard {shard}"


def of_samples(path: str, found: Samples, wanted: Samples) -> Iterator[str]:
    """Yield each sample that is lost, invented or wrong."""
    for key in wanted.keys() | found.keys():
        shown = f"{key[0]}{dict(sorted(key[1]))}"
        if key not in found:
            yield f"{path}: lost {shown} {wanted[key]}"
        elif key not in wanted:
            yield f"{path}: invented {shown} {found[key]}"
        elif not same(found[key], wanted[key]):
            yield f"{path}: wrong {shown} {found[key]}, not {wanted[key]}"


def same(one: float, other: float) -> bool:
    """Return whether two numbers are equal, or both are NaN."""
    return float(one) == float(other) or (math.isnan(one) and math.isnan(other))


def assert_none(problems: Iterator[str]) -> None:
    """Fail if there are any, and say how many of each kind."""
    found = sorted(problems)
    kinds = {
        kind: sum(kind in one for one in found) for kind in ("lost", "invented", "wrong", "twice")
    }
    assert not found, f"{kinds}\n" + "\n".join(found)
