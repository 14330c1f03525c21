"""ShardLines: the lines of one shard by metric, as Python writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from zinfo.metrics.names import Family
from zinfo.metrics.selection import Selection


class FamilyLines:
    """The lines of one metric, each with its LF.

    Attributes:
        family: the metric.
        start: what each of `lines` begins with.
        lines: the lines of samples with the name of the metric.
        suffixed: those whose name has a suffix, by the suffix: `_sum` and `_count` of a summary.
    """

    __slots__ = ("family", "lines", "start", "suffixed")

    def __init__(self, of: Family) -> None:
        self.family = of
        self.start = of.name + "{"
        self.lines: list[str] = []
        self.suffixed: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self.lines) or any(self.suffixed.values())

    def with_suffix(self, suffix: str) -> list[str]:
        """Return the lines with a suffix, to which lines may be added; "" for those without."""
        return self.suffixed.setdefault(suffix, []) if suffix else self.lines

    def all_lines(self) -> list[str]:
        """Return a list of all lines."""
        return list(chain(self.lines, *self.suffixed.values()))

    def keep(self, lines: Iterable[str]) -> None:
        """Remove all lines except these."""
        kept = frozenset(lines)
        for some in (self.lines, *self.suffixed.values()):
            some[:] = [line for line in some if line in kept]

    def take(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each suffix with its lines, and remove these afterwards."""
        for suffix, lines in (("", self.lines), *self.suffixed.items()):
            if lines:
                yield suffix, lines
                lines.clear()


class ShardLines:
    """The lines of one shard, by the metrics that a selection exposes.

    Args:
        selection: which metrics are exposed.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._families: dict[str, FamilyLines | None] = {}  # by metric; None: not exposed

    def lines_of(self, of: Family) -> FamilyLines | None:
        """Return the lines of a metric, to which lines may be added; None if it is not exposed."""
        try:
            return self._families[of.name]
        except KeyError:
            included = self._selection.includes(of.name)
            lines = self._families[of.name] = FamilyLines(of) if included else None
            return lines

    def families(self) -> Iterator[FamilyLines]:
        """Yield the metrics that have lines."""
        return (found for found in self._families.values() if found)

    def count(self) -> int:
        """Return the number of lines."""
        return sum(len(found.all_lines()) for found in self.families())
