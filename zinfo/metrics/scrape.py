"""Many shards' INFO as one text in Prometheus' exposition format.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/. All samples of a metric
stand together, so the lines of all shards are gathered by metric first. prometheus_client could
write it, too, but makes an object of each of some hundred thousand samples and takes seconds for
them; its parser checks this writer in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from zinfo.info_values import Value
from zinfo.metrics.names import Family, family_of
from zinfo.metrics.samples import Labels, Reader, Sample, is_taken, reader_of, whole
from zinfo.metrics.selection import Selection, label_text

NOT_FINITE: Final = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PIECE_LINES = 5000  # written at a time
_MAX_RULES = 8192  # fields remembered; a server may invent names without end


class _Gathered:
    """The lines of one metric; `start` is how each of them begins."""

    __slots__ = ("family", "lines", "start")

    def __init__(self, of: Family) -> None:
        self.family = of
        self.start = of.name + "{"
        self.lines: list[str] = []


class Scrape:
    """The text of one answer, while it is put together.

    Args:
        selection: what of it is told.

    Attributes:
        samples: how many there are.
        cut: how many more there would be without `max_samples`.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._most = selection.max_samples
        self._families: dict[str, _Gathered | None] = {}  # None: it is left out
        self._numbers: dict[str, _Gathered | None] = {}  # by field
        self._readers: dict[str, Reader] = {}  # by field, for those that are no plain number
        self._fields: dict[str, str] = {}  # which field a metric is of
        self.samples = 0
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
        self.samples += self._most - max(left, 0)
        self.cut += max(-left, 0)

    def pieces(self) -> Iterator[bytes]:
        """Yield the text, in parts."""
        for gathered in self._families.values():
            if gathered is None or not gathered.lines:
                continue
            name, kind, text = gathered.family
            yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()
            for begin in range(0, len(gathered.lines), _PIECE_LINES):
                piece = "".join(gathered.lines[begin : begin + _PIECE_LINES])
                yield piece.encode("utf-8", "replace")

    def _write_fields(self, fields: Mapping[str, Value], text: str, left: int) -> int:
        """Write the fields of an INFO; returns how many samples are left, negative where cut."""
        tail = text + "} "
        numbers, readers = self._numbers, self._readers
        for name, value in fields.items():
            reader = readers.get(name)
            if reader is None and name not in numbers:
                reader = self._learn(name)
            if reader is not None:
                left = self._write(reader(fields, name, value), text, left)
            elif type(value) is int or type(value) is float:
                gathered = numbers[name]
                if gathered is not None:
                    left -= 1
                    if left >= 0:
                        gathered.lines.append(f"{gathered.start}{tail}{value}\n")
        return left

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
        for of, labels, value, suffix in samples:
            gathered = self._gathered(of)
            if gathered is None:
                continue
            left -= 1
            if left >= 0:
                own = label_text(labels)
                comma = "," if own and text else ""
                number = NOT_FINITE.get(str(value), value)
                gathered.lines.append(f"{of.name}{suffix}{{{text}{comma}{own}}} {number}\n")
        return left

    def _gathered(self, of: Family) -> _Gathered | None:
        try:
            return self._families[of.name]
        except KeyError:
            taken = self._selection.takes(of.name)
            gathered = self._families[of.name] = _Gathered(of) if taken else None
            return gathered
