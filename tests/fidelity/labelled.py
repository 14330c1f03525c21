"""The samples that fields with labels give: of commands, databases, threads, modules and others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tests.fidelity.reader import Fields
from tests.fidelity.samples import (
    Found,
    Labels,
    each,
    label_of,
    labels_of,
    maps_of,
    number_of,
    numbers_in,
    parts_of,
)
from tests.fidelity.values import Value

_COMMAND: Final = {
    "calls": ("redis_commands_total", 1.0),
    "usec": ("redis_commands_duration_seconds_total", 1e6),
    "rejected_calls": ("redis_commands_rejected_calls_total", 1.0),
    "failed_calls": ("redis_commands_failed_calls_total", 1.0),
}
_ERROR: Final = {"count": ("redis_errors_total", 1.0)}
_DATABASE: Final = {
    "keys": ("redis_db_keys", 1.0),
    "expires": ("redis_db_keys_expiring", 1.0),
    "avg_ttl": ("redis_db_avg_ttl_seconds", 1e3),
    "subexpiry": ("redis_db_keys_with_expiring_items", 1.0),
    "keys_with_volatile_items": ("redis_db_keys_with_expiring_items", 1.0),
    "cached_keys": ("redis_db_keys_cached", 1.0),
}
_THREAD: Final = {
    "clients": "redis_io_thread_clients",
    "reads": "redis_io_thread_reads_total",
    "writes": "redis_io_thread_writes_total",
}
_ENGINE: Final = {
    "used_memory": "redis_scripting_engine_memory_used_bytes",
    "memory_overhead": "redis_scripting_engine_memory_overhead_bytes",
}
_LATENCY: Final = "redis_latency_percentiles_usec"
_INSTANCE: Final = (
    *("role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy"),
    *("tcp_port", "run_id", "process_id", "master_replid"),
)
_INSTANCE_IF_ANY: Final = ("valkey_version", "valkey_release_stage", "availability_zone")


def instance(fields: Fields, time: float) -> Iterator[Found]:
    """Yield the samples that describe the server.

    Args:
        fields: All fields.
        time: When INFO arrived, Unix time.
    """
    uptime = fields.get("uptime_in_seconds")
    if isinstance(uptime, int):
        yield Found("redis_start_time_seconds", {}, int(time) - uptime)
    facts = labels_of(fields, _INSTANCE)
    if "redis_mode" not in fields:
        facts["redis_mode"] = label_of(fields.get("server_mode"))
    more = labels_of(fields, _INSTANCE_IF_ANY)
    yield Found(
        "redis_instance_info", facts | {name: text for name, text in more.items() if text}, 1
    )


def command(_fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the samples of a `cmdstat_*`."""
    for one in _of_parts(name, value, _COMMAND, {"cmd": found[1]}, "redis_command_"):
        if one.path[-1] != "usec_per_call":
            yield one


def error(_fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the samples of an `errorstat_*`."""
    return _of_parts(name, value, _ERROR, {"err": found[1]}, "redis_error_")


def database(_fields: Fields, name: str, value: Value, _found: re.Match[str]) -> Iterator[Found]:
    """Yield the samples of a `dbN`."""
    return _of_parts(name, value, _DATABASE, {"db": name}, "redis_db_")


def _of_parts(
    name: str, value: Value, known: Mapping[str, tuple[str, float]], labels: Labels, stem: str
) -> Iterator[Found]:
    taken = {metric for metric, _divisor in known.values()}
    for part, (path, item) in parts_of(name, value).items():
        number = number_of(item)
        if part == "avg_ttl" and number is not None and number < 0:  # not computed by the server
            continue
        metric, divisor = known.get(part, (stem + part, 1.0))
        is_plain = re.fullmatch("[a-zA-Z0-9_]{1,64}", part) is not None and metric not in taken
        if number is not None and (part in known or is_plain):
            yield Found(metric, labels, number / divisor, path)


def percentiles(fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the summary of a `latency_percentiles_usec_*`."""
    labels = {"cmd": found[1]}
    for part, (path, item) in parts_of(name, value).items():
        number = number_of(item)
        quantile = re.fullmatch(r"p([0-9]+(?:\.[0-9]+)?)", part)
        if number is not None and quantile:
            shown = quantile[1].rstrip("0").rstrip(".") if "." in quantile[1] else quantile[1]
            yield Found(_LATENCY, {**labels, "quantile": shown}, number, path)
    command_name = f"cmdstat_{found[1]}"
    totals = parts_of(command_name, fields.get(command_name, ""))
    for part, suffix in (("usec", "sum"), ("calls", "count")):
        total = number_of(totals[part][1]) if part in totals else None
        if total is not None:
            yield Found(f"{_LATENCY}_{suffix}", labels, total)


def distribution(_fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the samples of a `dbN_distrib_*`."""
    for path, parts in maps_of(name, value):
        for part, number in numbers_in(parts):
            yield Found(
                f"redis_db_{found[2]}", {"db": found[1], "bin": part}, number, (*path, part)
            )


def thread(_fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the samples of an `io_thread_N`."""
    return _named_parts(name, value, _THREAD, {"thread": found[1]})


def active_time(_fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the sample of a `used_active_time_io_thread_N`."""
    for labels, path, item in each(name, value):
        number = number_of(item)
        if number is not None:
            metric = "redis_active_time_io_thread_seconds_total"
            yield Found(metric, {"thread": found[1], **labels}, number, path)


def module(_fields: Fields, name: str, value: Value, _found: re.Match[str]) -> Iterator[Found]:
    """Yield a sample for each module."""
    for _path, parts in maps_of(name, value):
        labels = labels_of(parts, ("name", "ver", "api", "filters", "usedby", "using"))
        yield Found("redis_module_info", labels, 1)


def engine(_fields: Fields, name: str, value: Value, _found: re.Match[str]) -> Iterator[Found]:
    """Yield the samples of an `engine_N`."""
    for _path, parts in maps_of(name, value):
        labels = labels_of(parts, ("module", "abi_version"))
        labels["engine"] = label_of(parts.get("name"))
        yield Found("redis_scripting_engine_info", labels, 1)
        yield from _named_parts(name, parts, _ENGINE, labels)


def listener(_fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the sample of a `listenerN`."""
    for _path, parts in maps_of(name, value):
        labels = labels_of(parts, ("name", "bind", "port", "path"), "listener_")
        yield Found("redis_listener_info", {**labels, "index": found[1]}, 1)


def certificate(_fields: Fields, _name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the sample of a `tls_*_cert_serial`."""
    if value != "none":
        labels = {"certificate": found[1], "serial": label_of(value)}
        yield Found("redis_tls_certificate_info", labels, 1)


def _named_parts(
    name: str, value: Value, metrics: Mapping[str, str], labels: Labels
) -> Iterator[Found]:
    for path, parts in maps_of(name, value):
        for part, number in numbers_in(parts):
            if part in metrics:
                yield Found(metrics[part], labels, number, (*path, part))
