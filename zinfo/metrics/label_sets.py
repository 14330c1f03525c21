"""LabelSets: the samples of one shard that have labels of their own, each label set once.

Prometheus accepts each label set of a metric once in a scrape. A server may send several: two
replicas announce one address behind a proxy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from zinfo.metrics.map_lines import NOT_FINITE
from zinfo.metrics.sample import Number, Sample
from zinfo.metrics.selection import label_text
from zinfo.metrics.shard_lines import FamilyLines, ShardLines

_GREATER: Final = frozenset(
    f"redis_connected_slave_lag_{unit}" for unit in ("seconds", "records", "bytes")
)
_LOWER: Final = frozenset(
    (
        "redis_connected_slave_offset_bytes",
        "redis_connected_slave_offset_records",
        "redis_master_link_up",
        "redis_slave_repl_offset",
    )
)


class LabelSets:
    """Samples that are not written at once, each label set of a metric once.

    Attributes:
        without_labels: metrics with a sample that has no labels of its own.
    """

    def __init__(self, lines: ShardLines) -> None:
        self.without_labels: set[str] = set()
        self._lines = lines
        self._found: dict[tuple[str, str], tuple[FamilyLines, Number]] = {}

    def add(self, samples: Iterable[Sample]) -> None:
        """Add samples; of two with equal labels the worse value stays."""
        for of, labels, value in samples:
            family_lines = self._lines.lines_of(of)
            if family_lines is None:
                continue
            if labels:
                key = of.name, label_text(labels)
            else:
                key = of.name, ""
                self.without_labels.add(of.name)
            before = self._found.get(key)
            if before is None or _is_worse(of.name, value, before[1]):
                self._found[key] = family_lines, value

    def write(self, text: str) -> None:
        """Write the lines of a shard with these labels."""
        self.write_without_labels(text)
        self.write_labelled(text)

    def write_without_labels(self, text: str) -> None:
        """Write the lines that have no labels of their own."""
        for (_name, labels), (family_lines, value) in self._found.items():
            if not labels:
                family_lines.lines.append(f"{family_lines.start}{text}}} {_shown(value)}\n")

    def write_labelled(self, text: str) -> None:
        """Write the other lines."""
        lead = text and text + ","
        for (_name, labels), (family_lines, value) in self._found.items():
            if labels:
                family_lines.lines.append(f"{family_lines.start}{lead}{labels}}} {_shown(value)}\n")


def _shown(value: Number) -> Number | str:
    return NOT_FINITE.get(str(value), value)


def _is_worse(metric: str, value: float, first: float) -> bool:
    """Return whether a value replaces an earlier one.

    Args:
        metric: name of the metric: the greater lag and the lower offset are worse; of most metrics
            the first value stays.
        value: of the later sample.
        first: of the earlier one.
    """
    if metric in _GREATER:
        return value > first
    return metric in _LOWER and value < first
