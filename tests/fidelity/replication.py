"""The samples that the fields of replication give: of primaries, replicas and Sentinels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tests.fidelity.reader import Fields
from tests.fidelity.samples import (
    Found,
    Labels,
    flag_of,
    items_of,
    label_of,
    labels_of,
    maps_of,
    number_of,
    places_of,
)
from tests.fidelity.values import Value

NO_PRIMARY: Final = {"master_host": "", "master_port": ""}
"""Labels of the primary of a replica that says none."""

OF_PRIMARY: Final = (
    r"(master(?:_[0-9]+)?)_(link_status|last_io_seconds_ago|sync_in_progress"
    r"|link_down_since_seconds|sync_(?:total_bytes|read_bytes|left_bytes|perc|last_io_seconds_ago))"
)
"""Fields of one primary; KeyDB numbers those of the second and further ones."""


def primaries(fields: Fields) -> list[Labels]:
    """Return the labels of each primary, in the reply's order."""
    found, number = _primaries_of(fields, "master"), 1
    while f"master_{number}_host" in fields:
        found += _primaries_of(fields, f"master_{number}")
        number += 1
    return found


def _primaries_of(fields: Fields, prefix: str) -> list[Labels]:
    hosts, ports = (items_of(fields.get(f"{prefix}_{part}")) for part in ("host", "port"))
    if len(ports) != len(hosts):
        ports = [None] * len(hosts)
    return [
        {"master_host": label_of(host), "master_port": label_of(port)}
        for host, port in zip(hosts, ports, strict=True)
    ]


def slave_info(fields: Fields) -> Iterator[Found]:
    """Yield a sample for each primary."""
    found = primaries(fields) or [NO_PRIMARY] * (fields.get("role") == "slave")
    modes = items_of(fields.get("slave_read_only")) or [None]
    if len(modes) != len(found):
        modes = [modes[0]] * len(found)
    for labels, mode in zip(found, modes, strict=True):
        yield Found("redis_slave_info", {**labels, "read_only": label_of(mode)}, 1)


def of_primary(fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    """Yield the samples of a field that each primary has."""
    of_all = name.startswith("slave_")
    labels = primaries(fields) if of_all else _primaries_of(fields, found[1])
    metric = f"redis_{name}" if of_all else f"redis_master_{found[2]}"
    if name.endswith("link_status"):
        metric, value = "redis_master_link_up", [int(one == "up") for one in items_of(value)]
    labels, places = labels or [NO_PRIMARY], list(places_of(name, value))
    if len(labels) != len(places):  # INFO does not say whose the values are
        return
    for own, (path, item) in zip(labels, places, strict=True):
        number = number_of(item) if flag_of(item) is None else flag_of(item)
        if number is not None:
            yield Found(metric, own, number, path)


def replica(fields: Fields, name: str, value: Value, _found: re.Match[str]) -> Iterator[Found]:
    """Yield offset and lag of a replica."""
    for path, parts in maps_of(name, value):
        labels = labels_of(parts, ("ip", "port", "state"), "slave_")
        unit = _unit_of_lag(fields, parts)
        metrics = {"offset": "records" if unit == "records" else "bytes", "lag": unit}
        for part, suffix in metrics.items():
            number = number_of(parts.get(part))
            if number is not None:
                metric = f"redis_connected_slave_{part}_{suffix}"
                yield Found(metric, labels, number, (*path, part))


def _unit_of_lag(fields: Fields, parts: dict[str, Value]) -> str:
    if fields.keys() & {"garnet_version", "pika_version"}:
        return "bytes"
    if parts.keys() & {"sequenceNumber", "conn_fd", "sid"}:
        return "bytes"
    if fields.keys() & {"dragonfly_version", "kvrocks_version"}:
        return "records"
    return "seconds" if {"state", "offset"} <= parts.keys() else "records"


def sentinel(_fields: Fields, name: str, value: Value, _found: re.Match[str]) -> Iterator[Found]:
    """Yield the samples of a primary that a Sentinel watches."""
    for path, parts in maps_of(name, value):
        labels = labels_of(parts, ("name", "address"), "master_")
        if "status" in parts:
            own = {**labels, "master_status": label_of(parts["status"])}
            yield Found("redis_sentinel_master_status", own, int(own["master_status"] == "ok"))
        for part in ("slaves", "sentinels"):
            number = number_of(parts.get(part))
            if number is not None:
                metric = f"redis_sentinel_master_{part}"
                yield Found(metric, labels, number, (*path, part))
