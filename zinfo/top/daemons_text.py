"""Texts about the daemons of a fleet, their slices, and their copies of a shard. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from zinfo.views.formatting import safe
from zinfo.views.rows import Copy
from zinfo.wire.slices import SliceSpec


def daemons_text(daemons: Sequence[tuple[SliceSpec | None, bool]]) -> str:
    """Return a line such as `3 of 3 daemons, slices 0-2, 2 copies`.

    Args:
        daemons: the slice of each, None for none, and whether it answers.
    """
    answering = [spec for spec, answers in daemons if answers]
    text = f"{len(answering)} of {len(daemons)} daemons"
    groups: dict[tuple[int, int], set[int]] = {}
    for spec in answering:
        if spec is not None:
            groups.setdefault((spec.count, spec.copies), set()).add(spec.number)
    for (count, copies), numbers in sorted(groups.items()):
        plural = "" if len(numbers) == 1 else "s"
        of = f" of {count}" if len(groups) > 1 or len(numbers) < count else ""
        text += (
            f", slice{plural} {_ranges(numbers)}{of}, {copies} cop{'y' if copies == 1 else 'ies'}"
        )
    return text


def slice_text(spec: SliceSpec | None) -> str:
    """Return `slice 1 of 3`; "" for none."""
    return "" if spec is None else f"slice {spec.number} of {spec.count}"


def copies_text(copies: Sequence[Copy]) -> str:
    """Return which daemons poll a shard; "" where there is one daemon for all shards."""
    names = [
        f"{safe(one.daemon)}{'' if one.answers else ' (silent)'}{' (shown)' if one.shown else ''}"
        for one in copies
    ]
    return f"polled by {', '.join(names)}" if names else ""


def _ranges(numbers: Collection[int]) -> str:
    """Return numbers as `0-2, 5`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(_range(run) for run in found)


def _range(run: Iterable[int]) -> str:
    numbers = list(run)
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
