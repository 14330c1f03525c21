"""Many shards' INFO as one text in Prometheus' exposition format.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/. All samples of a metric
stand together, so the lines of all shards are gathered by metric first. prometheus_client could
write it, too, but makes an object of each of some hundred thousand samples and takes seconds for
them; its parser checks this writer in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Final, NamedTuple

from zinfo.info.values import Value
from zinfo.metrics.names import Family, family_of
from zinfo.metrics.samples import (
    PERCENTILES,
    Labels,
    Reader,
    Sample,
    has_parts,
    is_taken,
    number_of,
    part_of,
    reader_of,
    totals,
    whole,
)
from zinfo.metrics.selection import Selection, label_text

NOT_FINITE: Final = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})  # a server names its fields itself
_PIECE_LINES = 5000  # written at a time
_PIECE_FIELDS = 500  # of one INFO, between two looks whether others wait; most have fewer
_MAX_RULES = 8192  # fields remembered; a server may invent names without end


class _Gathered:
    """The lines of one metric; `start` is how each of them begins."""

    __slots__ = ("family", "lines", "start")

    def __init__(self, of: Family) -> None:
        self.family = of
        self.start = of.name + "{"
        self.lines: list[str] = []


_UNSEEN: Final = _Gathered(Family("", "", ""))


class _Line(NamedTuple):
    """How the lines of one part of one field look: `start`, the shard's labels, `end`, a number."""

    lines: list[str]
    start: str
    end: str
    divisor: float


class Scrape:
    """The text of one answer, while it is put together.

    Args:
        selection: what of it is told.
        yield_point: called between pieces of a large INFO, to give other work its turn.

    Attributes:
        cut: how many more samples there would be without `max_samples`.
    """

    def __init__(
        self, selection: Selection, yield_point: Callable[[], None] = lambda: None
    ) -> None:
        self._selection = selection
        self._yield_point = yield_point
        self._most = selection.max_samples
        self._families: dict[str, _Gathered | None] = {}  # None: it is left out
        self._numbers: dict[str, _Gathered | None] = {}  # by field
        self._readers: dict[str, Reader] = {}  # by field, for those that are no plain number
        self._parts: dict[str, dict[str, _Line | None]] = {}  # by field and part of its value
        self._fields: dict[str, str] = {}  # which field a metric is of
        self.cut = 0

    def add(
        self,
        labels: Labels,
        about: Iterable[Sample],
        fields: Mapping[str, Value] | None = None,
        time: float = 0.0,
    ) -> None:
        """Add one shard.

        Args:
            labels: the shard's.
            about: what is known of it beside its INFO; comes first where not all may come.
            fields: its INFO; None where there is none that could be told as the present.
            time: wall clock of the INFO's arrival, seconds since the Unix epoch.
        """
        text = label_text(labels)
        left = self._write(about, text, self._most)
        if fields is not None:
            left = self._write(whole(fields, time), text, left)
            left = self._write_fields(fields, text, left)
        self.cut += max(-left, 0)

    def pieces(self) -> Iterator[bytes]:
        """Yield the text, in parts."""
        for gathered in self._families.values():
            if gathered is None or not gathered.lines:
                continue
            name, kind, text = gathered.family
            head = f"# HELP {name} {text.translate(_HELP_ESCAPES)}\n# TYPE {name} {kind}\n"
            yield head.encode("utf-8", "replace")
            for begin in range(0, len(gathered.lines), _PIECE_LINES):
                piece = "".join(gathered.lines[begin : begin + _PIECE_LINES])
                yield piece.encode("utf-8", "replace")

    def _write_fields(self, fields: Mapping[str, Value], text: str, left: int) -> int:
        """Write the fields of an INFO; returns how many samples are left, negative where cut."""
        if len(fields) <= _PIECE_FIELDS:
            return self._write_piece(fields, fields.items(), text, left)
        items = iter(fields.items())
        while piece := tuple(islice(items, _PIECE_FIELDS)):
            left = self._write_piece(fields, piece, text, left)
            if len(piece) == _PIECE_FIELDS:
                self._yield_point()
        return left

    def _write_piece(
        self,
        fields: Mapping[str, Value],
        piece: Iterable[tuple[str, Value]],
        text: str,
        left: int,
    ) -> int:
        tail = text + "} "
        numbers = self._numbers
        for name, value in piece:
            kind = type(value)
            if kind is int or kind is float:  # most are, and have been seen
                gathered = numbers.get(name, _UNSEEN)
                if gathered is not _UNSEEN:
                    if gathered is not None:
                        left -= 1
                        if left >= 0:
                            gathered.lines.append(f"{gathered.start}{tail}{value}\n")
                    continue
            left = self._write_field(fields, name, value, text, left)
        return left

    def _write_field(
        self, fields: Mapping[str, Value], name: str, value: Value, text: str, left: int
    ) -> int:
        """Write a field that is no plain number, or new."""
        known = self._parts.get(name)
        if known is None and has_parts(name):
            known = self._learn_parts(name)
        if known is not None:
            return self._write_parts(fields, name, known, text and text + ",", left)
        reader = self._readers.get(name)
        if reader is None and name not in self._numbers:
            reader = self._learn(name)
        if reader is not None:
            return self._write(reader(fields, name, value), text, left)
        if isinstance(value, (int, float)) and self._numbers[name] is not None:
            return self._write([Sample(family_of(name), (), value)], text, left)
        return left

    def _write_parts(
        self,
        fields: Mapping[str, Value],
        name: str,
        known: dict[str, _Line | None],
        lead: str,
        left: int,
    ) -> int:
        value = fields[name]
        if not isinstance(value, dict):
            return left
        items: Iterable[tuple[str, Value]] = value.items()
        if name.startswith(PERCENTILES):
            items = chain(items, totals(fields, name))
        for part, number in items:
            try:
                line = known[part]
            except KeyError:
                line = known[part] = self._line_of(name, part)
            if line is None:
                continue
            lines, start, end, divisor = line
            told: Value | None = number
            if type(number) is not int and type(number) is not float:
                told = NOT_FINITE.get(str(number_of(number)))
            elif divisor != 1:
                told = number / divisor
            if told is not None:
                left -= 1
                if left >= 0:
                    lines.append(f"{start}{lead}{end}{told}\n")
        return left

    def _learn_parts(self, name: str) -> dict[str, _Line | None]:
        if len(self._parts) >= _MAX_RULES:
            self._parts.clear()
        known = self._parts[name] = {}
        return known

    def _line_of(self, name: str, part: str) -> _Line | None:
        found = part_of(name, part)
        gathered = found and self._gathered(found.family)
        if found is None or gathered is None:
            return None
        start = f"{found.family.name}{found.suffix}{{"
        return _Line(gathered.lines, start, label_text(found.labels) + "} ", found.divisor)

    def _learn(self, name: str) -> Reader | None:
        """Remember how a field is written; returns what reads it where it is no plain number."""
        if len(self._numbers) + len(self._readers) >= _MAX_RULES:
            self._numbers.clear()
            self._readers.clear()
            self._fields.clear()
        reader, of = reader_of(name), family_of(name)
        # A server may send a field named `up`, or both `a-b` and `a_b`: one metric has one source.
        if self._fields.setdefault(of.name, name) != name or (not reader and is_taken(name, of)):
            self._numbers[name] = None
            return None
        if reader is None:
            self._numbers[name] = self._gathered(of)
        else:
            self._readers[name] = reader
        return reader

    def _write(self, samples: Iterable[Sample], text: str, left: int) -> int:
        for of, labels, value in samples:
            gathered = self._gathered(of)
            if gathered is None:
                continue
            left -= 1
            if left >= 0:
                own = label_text(labels)
                comma = "," if own and text else ""
                number = NOT_FINITE.get(str(value), value)
                gathered.lines.append(f"{gathered.start}{text}{comma}{own}}} {number}\n")
        return left

    def _gathered(self, of: Family) -> _Gathered | None:
        try:
            return self._families[of.name]
        except KeyError:
            taken = self._selection.takes(of.name)
            gathered = self._families[of.name] = _Gathered(of) if taken else None
            return gathered
