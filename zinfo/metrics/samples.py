"""What one INFO says in metrics that have labels of their own, or come from several fields.

Fields whose value is one number are not here: they are written as they are (`names.family_of`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from zinfo.info.values import KEYSPACE_PATTERN, STATS_PREFIXES, Value
from zinfo.metrics.names import (
    STATUS_FIELDS,
    Family,
    family,
    family_of,
    io_thread_of,
    is_other_name,
)

Number: TypeAlias = "int | float"
Labels: TypeAlias = "Sequence[tuple[str, str]]"
Fields: TypeAlias = "Mapping[str, Value]"
Reader: TypeAlias = "Callable[[Fields, str, Value], Iterator[Sample]]"


class Sample(NamedTuple):
    """One value of a metric.

    Attributes:
        family: the metric.
        labels: of its own, beside the shard's.
        value: the number.
    """

    family: Family
    labels: Labels
    value: Number


class Part(NamedTuple):
    """What one part of a field that is a map becomes.

    Attributes:
        family: the metric.
        labels: of its own.
        divisor: by which the number is divided.
        suffix: of the name, as the parts of a summary have one.
    """

    family: Family
    labels: Labels
    divisor: float = 1
    suffix: str = ""


_MICRO: Final = 1e6
_MILLI: Final = 1e3

UP: Final = family("up", "gauge", "1 where the shard answers INFO, else 0")
_START: Final = family("start_time_seconds", "gauge", "when the server started, Unix time")
_INSTANCE: Final = family("instance_info", "gauge", "what the server is, in labels; always 1")
_SLAVE: Final = family("slave_info", "gauge", "whose replica it is, in labels; always 1")
_LINK: Final = family("master_link_up", "gauge", "1 where master_link_status is up")
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
            "calls": Part(_CALLS, ()),
            "usec": Part(_SECONDS, (), _MICRO),
            "rejected_calls": Part(_REJECTED, ()),
            "failed_calls": Part(_FAILED, ()),
        },
    ),
    ("errorstat_", "err", {"count": Part(_ERRORS, ())}),
)
_KEYSPACE: Final = {
    "keys": Part(_KEYS, ()),
    "expires": Part(_EXPIRING, ()),
    "avg_ttl": Part(_TTL, (), _MILLI),
    "subexpiry": Part(_ITEMS, ()),
    "keys_with_volatile_items": Part(_ITEMS, ()),
    "cached_keys": Part(_CACHED, ()),
}
_CONFIG: Final = {
    "maxmemory": family("config_maxmemory", "gauge", "INFO's maxmemory"),
    "maxclients": family("config_maxclients", "gauge", "INFO's maxclients"),
}

_RESERVED: Final = frozenset(
    one.name for one in (*globals().values(), *_CONFIG.values()) if isinstance(one, Family)
) | {_LATENCY.name + suffix for suffix in _TOTALS}
_INSTANCE_FIELDS: Final = (
    "role",
    "redis_version",
    "redis_build_id",
    "redis_mode",
    "os",
    "maxmemory_policy",
    "tcp_port",
    "run_id",
    "process_id",
)
_INSTANCE_EXTRAS: Final = ("valkey_version", "valkey_release_stage", "availability_zone")
_READ_ONLY: Final = "read_only"
OWN_LABELS: Final = frozenset(
    (*_INSTANCE_FIELDS, *_INSTANCE_EXTRAS, _READ_ONLY, "cmd", "err", "db", "quantile", "thread")
)
"""Labels that some metric of INFO has itself, beside those that begin with `OWN_PREFIXES`."""
OWN_PREFIXES: Final = ("master_", "slave_")
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


def whole(fields: Fields, now: float) -> Iterator[Sample]:
    """Yield what needs more than one field, or is there where a field is missing.

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
        # Every server has it, and INFO leaves empty ones out.
        yield Sample(_KEYS, (("db", "db0"),), 0)
        yield Sample(_EXPIRING, (("db", "db0"),), 0)


def has_parts(field: str) -> bool:
    """Return whether each part of a field's value is a sample: `part_of` tells which."""
    return field.startswith(STATS_PREFIXES) or KEYSPACE_PATTERN.fullmatch(field) is not None


def part_of(field: str, part: str) -> Part | None:
    """Return what a part of a field that `has_parts` becomes; None where it is not told."""
    for prefix, label, parts in _STATISTICS:
        if field.startswith(prefix):
            found = parts.get(part)
            return found and found._replace(labels=((label, field[len(prefix) :]),))
    if field.startswith(PERCENTILES):
        command = ("cmd", field[len(PERCENTILES) :])
        if part in _TOTALS:
            return Part(_LATENCY, (command,), suffix=part)
        quantile = part.removeprefix("p").removesuffix(".0")
        return Part(_LATENCY, (command, ("quantile", quantile)))
    found = _KEYSPACE.get(part)
    return found and found._replace(labels=(("db", field),))


def totals(fields: Fields, field: str) -> Iterator[tuple[str, Value]]:
    """Yield what else is a part of percentiles: their command's statistics have it."""
    calls = fields.get(f"cmdstat_{field[len(PERCENTILES) :]}")
    if isinstance(calls, dict):
        for part, name in _TOTALS.items():
            if name in calls:
                yield part, calls[name]


def reader_of(field: str) -> Reader | None:
    """Return what makes samples of a field; None where it is one number, if it is any.

    What is returned takes all fields, the field's name and its value.
    """
    if field in _BY_NAME:
        return _BY_NAME[field]
    for pattern, reader in _BY_PATTERN:
        if pattern.fullmatch(field):
            return reader
    return None if io_thread_of(field) is None else _io_thread


def is_taken(field: str, of: Family) -> bool:
    """Return whether a metric has another source than the field, which would be told as it."""
    return of.name in _RESERVED or is_other_name(field, of)


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else str(value)


def number_of(value: Value | None) -> Number | None:
    """Return a value that is a number, or is written like one that is not finite."""
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
        # A server with several masters has the number in the field, a metric has it in the labels.
        of = family_of(name if which == "master" else f"master_{what}")
        yield Sample(of, labels, number)


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
    **dict.fromkeys(STATUS_FIELDS, _status),
}
_BY_PATTERN: Final = (
    (_SLAVE_PATTERN, _slave),
    (_MASTER_PATTERN, _of_master),
    # A new server divides by zero here, and writes `nan` or `inf`.
    (re.compile(".*_(ratio|perc)"), _ratio),
)
