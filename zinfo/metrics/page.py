"""Page: the lines of a scrape by metric, as all samples of a metric must be adjacent.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from zinfo.metrics.names import Family
from zinfo.metrics.selection import Selection

_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})  # HELP contains names of fields
_PIECE_LINES: Final = 5000  # lines in one piece of the text


class FamilyLines:
    """The lines of one metric.

    Attributes:
        family: the metric.
        start: what each line begins with; those of a summary's sum and count have a suffix.
        lines: the lines, each with its LF.
    """

    __slots__ = ("family", "lines", "start")

    def __init__(self, of: Family) -> None:
        self.family = of
        self.start = of.name + "{"
        self.lines: list[str] = []


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
        for found in self._families.values():
            if found is not None and found.lines:
                yield found

    def pieces(self) -> Iterator[bytes]:
        """Yield the text in pieces."""
        for found in self.families():
            name, kind, text = found.family
            head = f"# HELP {name} {text.translate(_HELP_ESCAPES)}\n# TYPE {name} {kind}\n"
            yield head.encode("utf-8", "replace")
            for begin in range(0, len(found.lines), _PIECE_LINES):
                piece = "".join(found.lines[begin : begin + _PIECE_LINES])
                yield piece.encode("utf-8", "replace")
