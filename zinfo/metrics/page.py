"""Page: the samples of a scrape by metric, as all samples of a metric must be adjacent.

`formats.py` has the lines between them. Metrics stand in the order of their names.

A scrape of 10,000 shards has 250 MB of text. The native part stores it in a compact form, and makes
each piece of the text when it is asked for.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Final

from zinfo.metrics.formats import TextFormat
from zinfo.metrics.names import Family
from zinfo.metrics.selection import Selection
from zinfo.metrics.shard_lines import ShardLines
from zinfo.native.loader import NativeLines, Part, native

_SPARE_BYTES: Final = 8 << 20  # largest memory of a page that the next one uses
_PIECE_BYTES: Final = 256 * 1024  # of one piece of the text; it is made in 0.1 ms


class Numbers:
    """Numbers of metrics, from 0: a suffix of a summary's name counts as a metric.

    Args:
        selection: which metrics are exposed.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._numbers: dict[tuple[str, str], int] = {}
        self.families: list[Family] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, of: Family, suffix: str = "") -> int:
        """Return the number of a metric, whether it is exposed or not."""
        key = of.name, suffix
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.families)
            self.families.append(of)
        return found

    def exposed(self, of: Family, suffix: str = "") -> int:
        """Return the number of a metric that the native part writes; -1 if it is not exposed."""
        if not self._selection.includes(of.name):
            return -1
        number = self.number(of, suffix)
        self.families[number] = of
        return number

    def sorted(self) -> list[tuple[str, str, int]]:
        """Return name, suffix and number of all metrics, in the order of a page."""
        return sorted((name, suffix, number) for (name, suffix), number in self._numbers.items())


class Page:
    """The samples of shards by metric.

    HELP and TYPE of a metric are those of its first sample.

    Args:
        numbers: of the metrics.

    Attributes:
        native: the samples if there is a native part; else None.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self.native: NativeLines | None = _native_lines()
        if self.native is not None:
            weakref.finalize(self, _reuse, self.native).atexit = False
        self._lines: dict[int, list[bytes]] = {}
        self._families: dict[int, Family] = {}  # of metrics whose first lines are Python's

    def start_shard(self, labels: str) -> None:
        """Start the next shard, which has these labels, in the text format."""
        if self.native is not None:
            self.native.start_shard(_encoded(labels))

    def add(self, lines: ShardLines) -> None:
        """Add lines of the shard, and remove them from the argument."""
        for found in lines.families():
            for suffix, some in found.take():
                number = self._numbers.number(found.family, suffix)
                text = _encoded("".join(some))
                if self.native is not None:
                    if not self.native.size(number):
                        self._families.setdefault(number, found.family)
                    self.native.add_text(number, text)
                else:
                    self._families.setdefault(number, found.family)
                    self._lines.setdefault(number, []).append(text)

    def size(self) -> int:
        """Return the bytes that the samples take in memory."""
        if self.native is None:
            return sum(len(text) for texts in self._lines.values() for text in texts)
        return sum(map(self.native.size, range(len(self._numbers))))

    def pieces(self, text_format: TextFormat) -> Iterator[bytes]:
        """Yield the text in pieces, without the end of the page."""
        for of, parts in self._runs(text_format):
            for piece in self._pieces_of(parts):
                yield piece if of is None else text_format.samples(of, piece)

    def _runs(self, text_format: TextFormat) -> Iterator[tuple[Family | None, list[Part]]]:
        """Yield metrics whose samples are written together.

        A metric stands alone, and is given, if the format does not allow all samples.
        """
        run: list[Part] = []
        last = ""
        for name, suffix, number in self._numbers.sorted():
            of = self._families.get(number, self._numbers.families[number])
            if not self._has_samples(number) or not text_format.includes(of):
                continue
            head = text_format.head(of, suffix)
            if suffix and last != name:
                head = text_format.head(of) + head
            last = name
            part = head, number, (name + suffix).encode()
            if text_format.allows_all(of):
                run.append(part)
                continue
            yield None, run
            run = []
            yield of, [part]
        yield None, run

    def _has_samples(self, number: int) -> bool:
        if self.native is None:
            return number in self._lines
        return self.native.size(number) > 0

    def _pieces_of(self, parts: list[Part]) -> Iterator[bytes]:
        if self.native is None:
            for head, number, _name in parts:
                yield head
                yield from self._lines[number]
            return
        some, index, at, shard = tuple(parts), 0, 0, 0
        while index < len(some):
            text, index, at, shard = self.native.piece(some, index, at, shard, _PIECE_BYTES)
            yield text


_spare: list[NativeLines] = []  # without shards; at most one


def _native_lines() -> NativeLines | None:
    """Return an object without samples; None without a native part."""
    if native is None:
        return None
    return _spare.pop() if _spare else native.Lines()


def _reuse(lines: NativeLines) -> None:
    """Have the next page use the memory of one that is gone.

    The system gives a page of new memory in a quarter of a microsecond, and those of 1,000 shards
    in 1 ms.
    """
    if not _spare and lines.clear() <= _SPARE_BYTES:
        _spare.append(lines)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
