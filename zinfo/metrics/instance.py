"""Samples about the server itself: what it is, when it started, its limits and last operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from zinfo.info.values import Value
from zinfo.metrics.names import (
    STATUS_FIELDS,
    Family,
    exporter_family,
    exporter_labels,
    family_of,
)
from zinfo.metrics.sample import MICRO, Fields, Sample, Sampler, each, label_of, number_of

UP: Final = exporter_family("up", "1 if the shard replies to INFO, else 0")
START: Final = exporter_family("start_time_seconds", "when the server started, Unix time")
INSTANCE: Final = exporter_family("instance_info", "labels describe the server; always 1")
FORK: Final = exporter_family("latest_fork_seconds", "INFO's latest_fork_usec, in seconds")
_MAX_MEMORY: Final = exporter_family("config_maxmemory", "INFO's maxmemory")
_MAX_CLIENTS: Final = exporter_family("config_maxclients", "INFO's maxclients")
CONFIG: Final = {"maxmemory": _MAX_MEMORY, "maxclients": _MAX_CLIENTS}

_FACTS: Final = tuple(
    name for name in exporter_labels("instance_info") if not name.startswith("valkey_")
)
_MODES: Final = ("redis_mode", "server_mode")
_OPTIONAL_FACTS: Final = ("valkey_version", "valkey_release_stage", "availability_zone")

FACT_SOURCES: Final = (
    *((name, _MODES if name == "redis_mode" else (name,), False) for name in _FACTS),
    *((name, (name,), True) for name in _OPTIONAL_FACTS),
)
"""The labels of `INSTANCE`: the name of each, the fields of which it shows the first that the INFO
has, and whether it is left out if that is empty."""
UPTIME: Final = "uptime_in_seconds"
FORK_FIELD: Final = "latest_fork_usec"

LABELS: Final = frozenset((*_FACTS, *_OPTIONAL_FACTS))
"""Labels of the samples."""


def instance_samples(fields: Fields, now: float) -> Iterator[Sample]:
    """Yield the samples that describe the server.

    Args:
        fields: of one INFO.
        now: wall clock of its arrival, seconds since the Unix epoch.
    """
    uptime = fields.get(UPTIME)
    if isinstance(uptime, int):
        yield Sample(START, (), int(now) - uptime)
    labels: list[tuple[str, str]] = []
    for label, sources, is_optional in FACT_SOURCES:
        text = label_of(next((fields[name] for name in sources if name in fields), None))
        if text or not is_optional:
            labels.append((label, text))
    yield Sample(INSTANCE, labels, 1)


def _status(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    for labels, item in each(value):
        yield Sample(family_of(name), labels, int(item == "ok"))


def _latest_fork(_fields: Fields, _name: str, value: Value) -> Iterator[Sample]:
    for labels, item in each(value):
        number = number_of(item)
        if number is not None:
            yield Sample(FORK, labels, number / MICRO)


def _limit(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    yield from _twice(family_of(name), CONFIG[name], value)


def _twice(of: Family, other: Family, value: Value) -> Iterator[Sample]:
    for labels, item in each(value):
        number = number_of(item)
        if number is not None:
            yield Sample(of, labels, number)
            yield Sample(other, labels, number)


BY_NAME: Final[dict[str, Sampler]] = {
    FORK_FIELD: _latest_fork,
    **dict.fromkeys(CONFIG, _limit),
    **dict.fromkeys(STATUS_FIELDS, _status),
}
