"""Samples of the I/O threads of Redis and Valkey."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from zinfo.info.values import Value
from zinfo.metrics.names import (
    exporter_family,
    family,
    io_thread_of,
)
from zinfo.metrics.sample import (
    Fields,
    PartMetric,
    Sample,
    Sampler,
    each,
    label_of,
    maps_of,
    number_of,
)

ACTIVE: Final = exporter_family(
    "active_time_io_thread_seconds_total", "INFO's used_active_time_io_thread_N"
)
_CLIENTS: Final = family("io_thread_clients", "gauge", "INFO's io_thread_N: clients")
_READS: Final = family("io_thread_reads_total", "counter", "INFO's io_thread_N: reads")
_WRITES: Final = family("io_thread_writes_total", "counter", "INFO's io_thread_N: writes")
_PARTS: Final = {"clients": _CLIENTS, "reads": _READS, "writes": _WRITES}

LABELS: Final = frozenset(("thread",))
"""Labels of the samples."""
PREFIX: Final = "io_thread_"
"""Beginning of the fields whose value is a map."""


def metric_of_part(part: str) -> PartMetric | None:
    """Return the metric of one part of a map; None if there is none."""
    of = _PARTS.get(part)
    return of and PartMetric(of, ())


def _active_time(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    for labels, item in each(value):
        number = number_of(item)
        if number is not None:
            yield Sample(ACTIVE, (("thread", label_of(io_thread_of(name))), *labels), number)


def _io_thread(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    labels = (("thread", label_of(name[len(PREFIX) :])),)
    for thread in maps_of(value):
        for part, of in _PARTS.items():
            number = number_of(thread.get(part))
            if number is not None:
                yield Sample(of, labels, number)


BY_PATTERN: Final[tuple[tuple[re.Pattern[str], Sampler], ...]] = (
    (re.compile(f"{PREFIX}[0-9]+"), _io_thread),
    (re.compile("used_active_time_io_thread_[0-9]+"), _active_time),
)
PARTS_SAMPLER: Final[Sampler] = _io_thread
"""The sampler of the fields whose value is a map."""
ACTIVE_SAMPLER: Final[Sampler] = _active_time
"""The sampler of the fields whose value is a number, of the metric `ACTIVE`."""
