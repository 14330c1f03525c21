"""Scrape: writes the INFO of many shards in the Prometheus text exposition format.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/. All samples of a metric
must be adjacent, so the lines of all shards are collected by metric first. prometheus_client makes
an object for each of some hundred thousand samples, which takes seconds; the tests use its parser
to check this writer.
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
    Sample,
    Sampler,
    combined_samples,
    has_other_source,
    has_parts,
    metric_of_part,
    number_of,
    other_samples,
    parts_of,
    sampler_of,
    totals,
)
from zinfo.metrics.selection import Selection, label_text

NOT_FINITE: Final = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})  # HELP contains names of fields
_PIECE_LINES = 5000  # lines in one piece of the text
_PIECE_FIELDS = 500  # fields between two yield points; most INFO have fewer
_MAX_RULES = 8192  # bound of each cache of field names: a server may send new ones without end


class _FamilyLines:
    """The lines of one metric; each begins with `start`."""

    __slots__ = ("family", "lines", "start")

    def __init__(self, of: Family) -> None:
        self.family = of
        self.start = of.name + "{"
        self.lines: list[str] = []


_UNKNOWN: Final = _FamilyLines(Family("", "", ""))
"""Default in lookups of fields that have not occurred yet."""


class _LineTemplate(NamedTuple):
    """The line for a part of a field: `start`, the labels of the shard, `end`, and the number."""

    lines: list[str]
    start: str
    end: str
    divisor: float


def _once(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Yield the first sample of each label set: replicas may announce the same address."""
    seen = set()
    for sample in samples:
        key = sample.family.name, tuple(sample.labels)
        if key not in seen:
            seen.add(key)
            yield sample


class Scrape:
    """Collects the samples of shards, and returns them as text.

    Args:
        selection: which metrics are exposed.
        yield_point: called between pieces of a large INFO; may yield to the event loop.

    Attributes:
        cut: number of samples omitted because of `max_samples`.
    """

    def __init__(
        self, selection: Selection, yield_point: Callable[[], None] = lambda: None
    ) -> None:
        self._selection = selection
        self._yield_point = yield_point
        self._most = selection.max_samples
        self._families: dict[str, _FamilyLines | None] = {}  # by metric; None: not exposed
        self._numbers: dict[str, _FamilyLines | None] = {}  # by field
        self._samplers: dict[str, Sampler] = {}  # by field, for those that are not plain numbers
        self._parts: dict[str, dict[str, _LineTemplate | None]] = {}  # by field and part
        self._fields: dict[str, str] = {}  # source field of each metric
        self.cut = 0

    def add(
        self,
        labels: Labels,
        state_samples: Iterable[Sample],
        fields: Mapping[str, Value] | None = None,
        time: float = 0.0,
    ) -> None:
        """Add one shard.

        Args:
            labels: of the shard.
            state_samples: samples about the shard; they come first, so that `max_samples` omits
                others.
            fields: its INFO; None if there is no current one.
            time: wall clock of the INFO's arrival, seconds since the Unix epoch.
        """
        text = label_text(labels)
        left = self._write(state_samples, text, self._most)
        if fields is not None:
            left = self._write(combined_samples(fields, time), text, left)
            left = self._write_fields(fields, text, left)
        self.cut += max(-left, 0)

    def pieces(self) -> Iterator[bytes]:
        """Yield the text in pieces."""
        for family_lines in self._families.values():
            if family_lines is None or not family_lines.lines:
                continue
            name, kind, text = family_lines.family
            head = f"# HELP {name} {text.translate(_HELP_ESCAPES)}\n# TYPE {name} {kind}\n"
            yield head.encode("utf-8", "replace")
            for begin in range(0, len(family_lines.lines), _PIECE_LINES):
                piece = "".join(family_lines.lines[begin : begin + _PIECE_LINES])
                yield piece.encode("utf-8", "replace")

    def _write_fields(self, fields: Mapping[str, Value], text: str, left: int) -> int:
        """Write the fields of an INFO; return how many samples are left; negative if cut."""
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
            if kind is int or kind is float:  # fast path: most values are known plain numbers
                family_lines = numbers.get(name, _UNKNOWN)
                if family_lines is not _UNKNOWN:
                    if family_lines is not None:
                        left -= 1
                        if left >= 0:
                            family_lines.lines.append(f"{family_lines.start}{tail}{value}\n")
                    continue
            left = self._write_field(fields, name, value, text, left)
        return left

    def _write_field(
        self, fields: Mapping[str, Value], name: str, value: Value, text: str, left: int
    ) -> int:
        """Write a field that is not a plain number, or has not occurred yet."""
        known = self._parts.get(name)
        if known is None and has_parts(name):
            known = self._learn_parts(name)
        if known is not None:
            return self._write_parts(fields, name, known, text and text + ",", left)
        sampler = self._samplers.get(name)
        if sampler is None and name not in self._numbers:
            sampler = self._learn(name)
        if sampler is not None:
            return self._write(_once(sampler(fields, name, value)), text, left)
        if self._numbers[name] is None:
            return left
        number = number_of(value)
        if number is not None and not isinstance(value, str):
            return self._write([Sample(family_of(name), (), number)], text, left)
        others = other_samples(fields, name, value)
        return self._write(others, text, left) if others else left

    def _write_parts(
        self,
        fields: Mapping[str, Value],
        name: str,
        known: dict[str, _LineTemplate | None],
        lead: str,
        left: int,
    ) -> int:
        items: Iterable[tuple[str, Value]] = parts_of(name, fields[name]).items()
        if name.startswith(PERCENTILES):
            items = chain(items, totals(fields, name))
        for part, number in items:
            try:
                line = known[part]
            except KeyError:
                line = known[part] = self._template_of(name, part)
            if line is None:
                continue
            lines, start, end, divisor = line
            shown: Value | None = number
            if type(number) is not int and type(number) is not float:
                shown = NOT_FINITE.get(str(number_of(number)))
            elif divisor != 1:
                shown = number / divisor
            if shown is not None:
                left -= 1
                if left >= 0:
                    lines.append(f"{start}{lead}{end}{shown}\n")
        return left

    def _learn_parts(self, name: str) -> dict[str, _LineTemplate | None]:
        if len(self._parts) >= _MAX_RULES:
            self._parts.clear()
        known = self._parts[name] = {}
        return known

    def _template_of(self, name: str, part: str) -> _LineTemplate | None:
        found = metric_of_part(name, part)
        family_lines = found and self._lines_of(found.family)
        if found is None or family_lines is None:
            return None
        start = f"{found.family.name}{found.suffix}{{"
        return _LineTemplate(
            family_lines.lines, start, label_text(found.labels) + "} ", found.divisor
        )

    def _learn(self, name: str) -> Sampler | None:
        """Store how a field is written; return its sampler if it is not a plain number."""
        if len(self._numbers) + len(self._samplers) >= _MAX_RULES:
            self._numbers.clear()
            self._samplers.clear()
            self._fields.clear()
        sampler, of = sampler_of(name), family_of(name)
        # A server may send a field named `up`, or both `a-b` and `a_b`: a metric has one source.
        first = self._fields.setdefault(of.name, name)
        if first != name or (not sampler and has_other_source(name, of)):
            self._numbers[name] = None
            return None
        if sampler is None:
            self._numbers[name] = self._lines_of(of)
        else:
            self._samplers[name] = sampler
        return sampler

    def _write(self, samples: Iterable[Sample], text: str, left: int) -> int:
        for of, labels, value in samples:
            family_lines = self._lines_of(of)
            if family_lines is None:
                continue
            left -= 1
            if left >= 0:
                sample_labels = label_text(labels)
                comma = "," if sample_labels and text else ""
                number = NOT_FINITE.get(str(value), value)
                family_lines.lines.append(
                    f"{family_lines.start}{text}{comma}{sample_labels}}} {number}\n"
                )
        return left

    def _lines_of(self, of: Family) -> _FamilyLines | None:
        try:
            return self._families[of.name]
        except KeyError:
            included = self._selection.includes(of.name)
            lines = self._families[of.name] = _FamilyLines(of) if included else None
            return lines
