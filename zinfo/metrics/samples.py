"""The samples of one INFO that have their own labels, or that combine several fields.

Fields whose value is a single number are not handled here (`names.family_of`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from zinfo.info.kinds import KEYSPACE_PATTERN, STATS_PREFIXES
from zinfo.info.values import Value
from zinfo.metrics.names import (
    DEPRECATED_FIELDS,
    STATUS_FIELDS,
    Family,
    deprecated_family_of,
    exporter_labels,
    family,
    family_of,
    has_renamed_source,
    io_thread_of,
)

Number: TypeAlias = "int | float"
Labels: TypeAlias = "Sequence[tuple[str, str]]"
Fields: TypeAlias = "Mapping[str, Value]"
Sampler: TypeAlias = "Callable[[Fields, str, Value], Iterator[Sample]]"


class Sample(NamedTuple):
    """One value of a metric.

    Attributes:
        family: the metric.
        labels: of the sample, in addition to those of the shard.
        value: the number.
    """

    family: Family
    labels: Labels
    value: Number


class PartMetric(NamedTuple):
    """The metric of one part of a field whose value is a map, such as `calls` in `cmdstat_get`.

    Attributes:
        family: the metric.
        labels: of the sample, in addition to those of the shard.
        divisor: converts the value to the unit of the metric.
        suffix: of the metric's name: `_sum` or `_count` in a summary.
    """

    family: Family
    labels: Labels
    divisor: float = 1
    suffix: str = ""


_MICRO: Final = 1e6
_MILLI: Final = 1e3

UP: Final = family("up", "gauge", "1 if the shard replies to INFO, else 0")
_START: Final = family("start_time_seconds", "gauge", "when the server started, Unix time")
_INSTANCE: Final = family("instance_info", "gauge", "labels describe the server; always 1")
_SLAVE: Final = family("slave_info", "gauge", "labels name the primary of this replica; always 1")
_LINK: Final = family("master_link_up", "gauge", "1 if master_link_status is up, else 0")
_SLAVE_OFFSET: Final = family("connected_slave_offset_bytes", "gauge", "INFO's slaveN: offset")
_SLAVE_LAG: Final = family("connected_slave_lag_seconds", "gauge", "INFO's slaveN: lag")
_CALLS: Final = family("commands_total", "counter", "INFO's cmdstat_*: calls")
_SECONDS: Final = family(
    "commands_duration_seconds_total", "counter", "INFO's cmdstat_*: usec, in seconds"
)
_REJECTED: Final = family(
    "commands_rejected_calls_total", "counter", "INFO's cmdstat_*: rejected_calls"
)
_FAILED: Final = family("commands_failed_calls_total", "counter", "INFO's cmdstat_*: failed_calls")
_ERRORS: Final = family("errors_total", "counter", "INFO's errorstat_*: count")
_LATENCY: Final = family(
    "latency_percentiles_usec", "summary", "INFO's latency_percentiles_usec_* and cmdstat_*"
)
_KEYS: Final = family("db_keys", "gauge", "INFO's dbN: keys")
_EXPIRING: Final = family("db_keys_expiring", "gauge", "INFO's dbN: expires")
_TTL: Final = family("db_avg_ttl_seconds", "gauge", "INFO's dbN: avg_ttl, in seconds")
_ITEMS: Final = family(
    "db_keys_with_expiring_items", "gauge", "INFO's dbN: subexpiry or keys_with_volatile_items"
)
_CACHED: Final = family("db_keys_cached", "gauge", "INFO's dbN: cached_keys")
_FORK: Final = family("latest_fork_seconds", "gauge", "INFO's latest_fork_usec, in seconds")
_IO_THREAD: Final = family(
    "active_time_io_thread_seconds_total", "counter", "INFO's used_active_time_io_thread_N"
)
PERCENTILES: Final = "latency_percentiles_usec_"
_TOTALS: Final = {"_sum": "usec", "_count": "calls"}
_STATISTICS: Final = (
    (
        "cmdstat_",
        "cmd",
        {
            "calls": PartMetric(_CALLS, ()),
            "usec": PartMetric(_SECONDS, (), _MICRO),
            "rejected_calls": PartMetric(_REJECTED, ()),
            "failed_calls": PartMetric(_FAILED, ()),
        },
    ),
    ("errorstat_", "err", {"count": PartMetric(_ERRORS, ())}),
)
_KEYSPACE: Final = {
    "keys": PartMetric(_KEYS, ()),
    "expires": PartMetric(_EXPIRING, ()),
    "avg_ttl": PartMetric(_TTL, (), _MILLI),
    "subexpiry": PartMetric(_ITEMS, ()),
    "keys_with_volatile_items": PartMetric(_ITEMS, ()),
    "cached_keys": PartMetric(_CACHED, ()),
}
_CONFIG: Final = {
    "maxmemory": family("config_maxmemory", "gauge", "INFO's maxmemory"),
    "maxclients": family("config_maxclients", "gauge", "INFO's maxclients"),
}

_RESERVED: Final = frozenset(
    one.name for one in (*globals().values(), *_CONFIG.values()) if isinstance(one, Family)
) | {_LATENCY.name + suffix for suffix in _TOTALS}
_INSTANCE_FIELDS: Final = tuple(
    name for name in exporter_labels("instance_info") if not name.startswith("valkey_")
)
_INSTANCE_EXTRAS: Final = ("valkey_version", "valkey_release_stage", "availability_zone")
_READ_ONLY: Final = "read_only"
SAMPLE_LABELS: Final = frozenset(
    (*_INSTANCE_FIELDS, *_INSTANCE_EXTRAS, _READ_ONLY, "cmd", "err", "db", "quantile", "thread")
)
"""Labels that samples have themselves, in addition to those with `SAMPLE_LABEL_PREFIXES`."""
SAMPLE_LABEL_PREFIXES: Final = ("master_", "slave_")
_SLAVE_PATTERN: Final = re.compile("slave[0-9]+")
_MASTER_PATTERN: Final = re.compile(
    "(master(?:_[0-9]+)?)_(link_status|last_io_seconds_ago|sync_in_progress)"
)
_NOT_FINITE: Final = {
    "nan": float("nan"),
    "-nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
}


def combined_samples(fields: Fields, now: float) -> Iterator[Sample]:
    """Yield the samples that combine several fields, or stand for missing ones.

    Args:
        fields: of one INFO.
        now: wall clock of its arrival, seconds since the Unix epoch.
    """
    uptime = fields.get("uptime_in_seconds")
    if isinstance(uptime, int):
        yield Sample(_START, (), int(now) - uptime)
    mode = "redis_mode" if "redis_mode" in fields else "server_mode"
    facts = [
        (name, _text(fields, mode if name == "redis_mode" else name)) for name in _INSTANCE_FIELDS
    ]
    facts += [(name, _text(fields, name)) for name in _INSTANCE_EXTRAS if _text(fields, name)]
    yield Sample(_INSTANCE, tuple(facts), 1)
    if fields.get("role") == "slave":
        labels = (*_master(fields, "master"), (_READ_ONLY, _text(fields, "slave_read_only")))
        yield Sample(_SLAVE, labels, 1)
    if "db0" not in fields and "redis_version" in fields:
        # Every server has db0, but INFO omits empty databases.
        yield Sample(_KEYS, (("db", "db0"),), 0)
        yield Sample(_EXPIRING, (("db", "db0"),), 0)


def has_parts(field: str) -> bool:
    """Return whether the value of a field is a map whose parts are metrics (`metric_of_part`)."""
    return field.startswith(STATS_PREFIXES) or KEYSPACE_PATTERN.fullmatch(field) is not None


def metric_of_part(field: str, part: str) -> PartMetric | None:
    """Return the metric of one part of a field that `has_parts`; None if there is none."""
    for prefix, label, parts in _STATISTICS:
        if field.startswith(prefix):
            found = parts.get(part)
            return found and found._replace(labels=((label, field[len(prefix) :]),))
    if field.startswith(PERCENTILES):
        command = ("cmd", field[len(PERCENTILES) :])
        if part in _TOTALS:
            return PartMetric(_LATENCY, (command,), suffix=part)
        quantile = part.removeprefix("p").removesuffix(".0")
        return PartMetric(_LATENCY, (command, ("quantile", quantile)))
    found = _KEYSPACE.get(part)
    return found and found._replace(labels=(("db", field),))


def totals(fields: Fields, field: str) -> Iterator[tuple[str, Value]]:
    """Yield sum and count of a summary of percentiles, from the statistics of the command."""
    calls = fields.get(f"cmdstat_{field[len(PERCENTILES) :]}")
    if isinstance(calls, dict):
        for part, name in _TOTALS.items():
            if name in calls:
                yield part, calls[name]


def sampler_of(field: str) -> Sampler | None:
    """Return the function that yields the samples of a field; None if there is none.

    Its parameters are all fields, the name of the field, and its value.
    """
    if field in _BY_NAME:
        return _BY_NAME[field]
    for pattern, sampler in _BY_PATTERN:
        if pattern.fullmatch(field):
            return sampler
    return None if io_thread_of(field) is None else _io_thread


def has_other_source(field: str, of: Family) -> bool:
    """Return whether a metric with the name of this field has another source than the field."""
    return of.name in _RESERVED or has_renamed_source(field, of)


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else str(value)


def number_of(value: Value | None) -> Number | None:
    """Return the number that a value is, including texts such as `nan` and `inf`; else None."""
    if isinstance(value, (int, float)):
        return value
    return _NOT_FINITE.get(value) if isinstance(value, str) else None


def _master(fields: Fields, which: str) -> Labels:
    return (
        ("master_host", _text(fields, f"{which}_host")),
        ("master_port", _text(fields, f"{which}_port")),
    )


def _slave(_fields: Fields, _name: str, value: Value) -> Iterator[Sample]:
    if not isinstance(value, dict):
        return
    labels = tuple((f"slave_{part}", _text(value, part)) for part in ("ip", "port", "state"))
    for part, of in (("offset", _SLAVE_OFFSET), ("lag", _SLAVE_LAG)):
        number = number_of(value.get(part))
        if number is not None:
            yield Sample(of, labels, number)


def _of_master(fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    found = _MASTER_PATTERN.fullmatch(name)
    which, what = found.groups() if found else ("master", name)
    labels = _master(fields, which)
    if what == "link_status":
        yield Sample(_LINK, labels, int(value == "up"))
        return
    number = number_of(value)
    if number is not None:
        # With several primaries the name of the field has an index; the metric has labels instead.
        of = family_of(name if which == "master" else f"master_{what}")
        yield Sample(of, labels, number)


def _renamed(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    number = number_of(value)
    if number is not None:
        yield Sample(family_of(name), (), number)
        yield Sample(deprecated_family_of(name), (), number)


def _status(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    yield Sample(family_of(name), (), int(value == "ok"))


def _latest_fork(_fields: Fields, _name: str, value: Value) -> Iterator[Sample]:
    number = number_of(value)
    if number is not None:
        yield Sample(_FORK, (), number / _MICRO)


def _limit(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    number = number_of(value)
    if number is not None:
        yield Sample(family_of(name), (), number)
        yield Sample(_CONFIG[name], (), number)


def _io_thread(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    number = number_of(value)
    if number is not None:
        yield Sample(_IO_THREAD, (("thread", io_thread_of(name) or ""),), number)


def _ratio(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    number = number_of(value)
    if number is not None:
        yield Sample(family_of(name), (), number)


_BY_NAME: Final = {
    "latest_fork_usec": _latest_fork,
    "slave_repl_offset": _of_master,
    **dict.fromkeys(_CONFIG, _limit),
    **dict.fromkeys(DEPRECATED_FIELDS, _renamed),
    **dict.fromkeys(STATUS_FIELDS, _status),
}
_BY_PATTERN: Final = (
    (_SLAVE_PATTERN, _slave),
    (_MASTER_PATTERN, _of_master),
    # A server that has just started divides by zero, and writes `nan` or `inf`.
    (re.compile(".*_(ratio|perc)"), _ratio),
)
