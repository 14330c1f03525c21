"""Whether the daemons of a fleet that answer have all shards, and which slices are missing. Pure.

Daemons with equal count, copies and `by` are a *group*. Each shard is polled by `copies` different
slices of `count`. So wherever more than `count - copies` different slices answer, one of them has
the shard: the group is complete. While a fleet is resized it has two groups, and one complete group
is enough. A daemon without a slice (an older one, or one that is not part of a group) may be the
only one that has its shards, so each of these has to answer.

A daemon that never answered may be of either kind. It counts as one without a slice, unless all
daemons that are known have slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from zinfo.wire.slices import SliceSpec

NO_REPLY = "no reply"
"""Problem of a daemon that did not answer in time."""

_NO_DAEMON = "no daemon of this slice is known"

_Group: TypeAlias = "tuple[int, int, str]"  # count, copies, by


class MissingSlice(NamedTuple):
    """A daemon or a slice without which shards may be missing; `str()` describes it in one line.

    Attributes:
        endpoint: of the daemon; "" where no daemon of the slice is known.
        slice: of the daemon; None where it is unknown or the daemon has none.
        problem: why it is missing.
    """

    endpoint: str
    slice: SliceSpec | None
    problem: str

    def __str__(self) -> str:
        what = ": ".join(part for part in (self.endpoint, self.problem) if part)
        if self.slice is None:
            return what
        return f"slice {self.slice.number} of {self.slice.count} ({what})"


class MemberReport(NamedTuple):
    """What is known of one daemon of a fleet.

    Attributes:
        endpoint: its query endpoint.
        slice: its slice; None where it is unknown or there is none.
        known: whether the daemon answered at least once, so that `slice` is known.
        answers: whether all shards of the daemon are known now.
        problem: why they are not; "" where they are.
    """

    endpoint: str
    slice: SliceSpec | None
    known: bool
    answers: bool
    problem: str = ""


class Coverage(NamedTuple):
    """Whether the daemons that answer have all shards.

    Attributes:
        complete: whether they have.
        missing: what keeps them from it; empty if `complete`.
    """

    complete: bool
    missing: tuple[MissingSlice, ...]


def coverage(reports: Sequence[MemberReport]) -> Coverage:
    """Return whether the daemons that answer have all shards, and otherwise what is missing.

    Args:
        reports: one for each daemon.
    """
    groups = _groups(reports)
    plain = [report for report in reports if report.known and report.slice is None]
    unknown = [report for report in reports if not report.known]
    silent = [report for report in plain if not report.answers]
    required = silent + unknown if plain or not groups else silent
    lacking = {group: _lacking(group, members) for group, members in groups.items()}
    divided = not lacking or min(lacking.values()) <= 0
    if reports and divided and not required:
        return Coverage(True, ())
    if divided:
        return Coverage(False, tuple(map(_missing, required)))
    nearest = min(lacking, key=lambda group: (lacking[group], -group[0]))
    missing = _missing_slices(nearest, groups[nearest], has_unknown=bool(unknown))
    return Coverage(False, (*missing, *map(_missing, silent + unknown)))


def _groups(reports: Sequence[MemberReport]) -> dict[_Group, list[MemberReport]]:
    groups: dict[_Group, list[MemberReport]] = {}
    for report in reports:
        if report.known and report.slice is not None:
            group = (report.slice.count, report.slice.copies, report.slice.by)
            groups.setdefault(group, []).append(report)
    return groups


def _numbers(members: Sequence[MemberReport]) -> set[int]:
    return {one.slice.number for one in members if one.slice is not None}


def _lacking(group: _Group, members: Sequence[MemberReport]) -> int:
    """Return how many further slices have to answer until the group is complete."""
    count, copies, _ = group
    return count - copies + 1 - len(_numbers([one for one in members if one.answers]))


def _missing_slices(
    group: _Group, members: Sequence[MemberReport], *, has_unknown: bool
) -> list[MissingSlice]:
    """Return the silent slices of a group, and those of which no daemon is known.

    The latter are left out where a daemon never answered, as it may have that slice.
    """
    count, copies, by = group
    answering = _numbers([one for one in members if one.answers])
    silent = [one for one in members if one.slice and one.slice.number not in answering]
    missing = [_missing(one) for one in silent]
    if not has_unknown:
        absent = sorted(set(range(count)) - _numbers(members))
        missing += [MissingSlice("", SliceSpec(n, count, copies, by), _NO_DAEMON) for n in absent]
    return missing


def _missing(report: MemberReport) -> MissingSlice:
    return MissingSlice(report.endpoint, report.slice, report.problem)


def problem_of_sources(waiting: int) -> str:
    """Return the problem of a daemon that has not read some of its sources; "" if there are none.

    Args:
        waiting: number of these sources.
    """
    if not waiting:
        return ""
    return f"it has not read {waiting} of its sources" if waiting > 1 else "it waits for a source"
