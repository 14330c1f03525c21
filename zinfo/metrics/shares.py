"""Which samples of a shard are left out when it has more than `metrics.max_samples`. Pure.

A server may have any number of commands, errors and databases, and of fields that are not known;
none of these may push out the others. What is kept is the same in each scrape, also if the server
changes the order of its reply.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from zinfo.metrics.names import Family, is_in_tables
from zinfo.metrics.samples import is_reserved
from zinfo.metrics.shard_lines import FamilyLines

FIELDS: Final = "fields"
"""Stands for the metrics of a shard that come first: those without labels that are known."""
OTHER_FIELDS: Final = "other_fields"
"""Stands for all other metrics without labels."""

_CUT_FIRST: Final = (
    "redis_error",
    "redis_command",
    "redis_latency_percentiles_",
    "redis_db_",
    OTHER_FIELDS,
)
"""Beginnings of metrics; the first have the lowest importance, and all others the highest."""


class Kept(NamedTuple):
    """The lines of one metric that are kept.

    Attributes:
        family: the metric.
        counted_as: its name if it has labels, else `FIELDS` or `OTHER_FIELDS`.
        lines: those that are kept.
        omitted: number of the others.
    """

    family: Family
    counted_as: str
    lines: Sequence[str]
    omitted: int


def kept_lines(
    families: Iterable[FamilyLines], labels: str, first: Collection[str], most: int
) -> Iterator[Kept]:
    """Yield what is kept of each metric of a shard.

    The metrics without labels that zinfo knows come before all others, as their number is bounded.

    Args:
        families: the lines of the shard.
        labels: of the shard, in the text format.
        first: metrics that come before all others.
        most: lines that are kept in all.
    """
    known: list[FamilyLines] = []
    unknown: list[FamilyLines] = []
    labelled: dict[str, tuple[Family, list[str]]] = {}
    for found in families:
        of = found.family
        plain = bool(found.lines) and found.lines[0].startswith(f"{found.start}{labels}}} ")
        if of.name in first or (plain and (is_in_tables(of) or is_reserved(of))):
            known.append(found)
        elif plain:
            unknown.append(found)
        else:
            labelled[of.name] = of, found.all_lines()
    known.sort(key=lambda one: (one.family.name not in first, *_by_length(one.family.name)))
    for one in known:
        kept = one.lines[:most]
        most -= len(kept)
        yield Kept(one.family, FIELDS, kept, len(one.lines) - len(kept))
    sizes = {name: len(lines) for name, (_of, lines) in labelled.items()}
    if unknown:
        sizes[OTHER_FIELDS] = sum(len(one.lines) for one in unknown)
    shares = shares_of(sizes, most)
    for name, (of, lines) in labelled.items():
        kept = _first_lines(lines, shares[name])
        yield Kept(of, name, kept, sizes[name] - len(kept))
    left = shares.get(OTHER_FIELDS, 0)
    for one in sorted(unknown, key=lambda one: _by_length(one.family.name)):
        kept = one.lines[:left]
        left -= len(kept)
        yield Kept(one.family, OTHER_FIELDS, kept, len(one.lines) - len(kept))


def shares_of(sizes: Mapping[str, int], room: int) -> dict[str, int]:
    """Return how many samples of each metric are kept.

    Each metric has an equal share of the room. What is left of the shares goes to the metrics of
    the highest importance first.

    Args:
        sizes: samples that each metric has.
        room: samples that all may have together.
    """
    equal = room // max(len(sizes), 1)
    shares = {metric: min(size, equal) for metric, size in sizes.items()}
    left = room - sum(shares.values())
    for metric in sorted(sizes, key=lambda metric: (-_importance(metric), metric)):
        more = min(sizes[metric] - shares[metric], left)
        shares[metric] += more
        left -= more
    return shares


def _importance(metric: str) -> int:
    for place, start in enumerate(_CUT_FIRST):
        if metric.startswith(start):
            return place
    return len(_CUT_FIRST)


def _first_lines(lines: list[str], most: int) -> list[str]:
    """Return those with the shortest labels, of equally long ones the first by alphabet.

    The names that servers themselves have for errors, commands and databases are short. The
    samples of a summary with the same `cmd` stay together.
    """
    return lines if len(lines) <= most else sorted(lines, key=_place)[:most]


def _place(line: str) -> tuple[tuple[int, str], str]:
    series = line.rpartition(" ")[0]
    labels = series.partition("{")[2].removesuffix("}")
    return _by_length(labels.partition(',quantile="')[0]), series


def _by_length(text: str) -> tuple[int, str]:
    return len(text), text
