"""Page: the lines of a scrape by metric, as all samples of a metric must be adjacent.

`formats.py` has the lines between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from zinfo.metrics.formats import TextFormat
from zinfo.metrics.names import Family
from zinfo.metrics.selection import Selection

_PIECE_LINES: Final = 5000  # lines in one piece of the text


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

    def add(self, lines: Iterable[str]) -> None:
        """Add lines, whatever their suffix."""
        if not self.suffixed and self.family.kind != "summary":
            self.lines += lines
            return
        for line in lines:
            name = line[: line.index("{")]
            self.with_suffix(name.removeprefix(self.family.name)).append(line)


class Page:
    """The lines of the metrics that a selection exposes.

    HELP and TYPE of a metric are those of the first sample.

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

    def pieces(self, text_format: TextFormat) -> Iterator[bytes]:
        """Yield the text in pieces, without the end of the page."""
        for found in self.families():
            of = found.family
            if not text_format.includes(of):
                continue
            for suffix, lines in (("", found.lines), *found.suffixed.items()):
                if lines or not suffix:
                    yield text_format.head(of, suffix)
                for begin in range(0, len(lines), _PIECE_LINES):
                    piece = "".join(lines[begin : begin + _PIECE_LINES])
                    yield text_format.samples(of, piece.encode("utf-8", "replace"))
