"""Samples of replication: the primaries that a server replicates from, and its replicas.

A server of KeyDB or Dragonfly may have several primaries. KeyDB 6 numbers their fields
(`master_1_host`) except those that begin with `slave_`; KeyDB 5 and Dragonfly number none. Fields
without a number are repeated, and stand in the order of the primaries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from zinfo.info.values import Value
from zinfo.metrics.names import (
    Family,
    exporter_family,
    family,
    family_of,
)
from zinfo.metrics.sample import (
    Fields,
    Labels,
    Sample,
    Sampler,
    items_of,
    label_of,
    maps_of,
    number_of,
    number_or_flag,
)

_SLAVE: Final = exporter_family("slave_info", "labels name a primary of this replica; always 1")
LINK: Final = exporter_family("master_link_up", "1 if master_link_status is up, else 0")
"""Metric of the field `master_link_status`."""
_SLAVE_OFFSET: Final = exporter_family("connected_slave_offset_bytes", "INFO's slaveN: offset")
_SLAVE_OFFSET_RECORDS: Final = family(
    "connected_slave_offset_records", "gauge", "INFO's slaveN: offset, in records of the log"
)
_SLAVE_LAG: Final = exporter_family("connected_slave_lag_seconds", "INFO's slaveN: lag")
_SLAVE_LAG_BYTES: Final = family(
    "connected_slave_lag_bytes", "gauge", "INFO's slaveN: lag, in bytes of the log"
)
_SLAVE_LAG_RECORDS: Final = family(
    "connected_slave_lag_records", "gauge", "INFO's slaveN: lag, in records of the log"
)

COMBINED: Final = (_SLAVE, _SLAVE_OFFSET, _SLAVE_LAG)
"""Metrics of Redis, Valkey and KeyDB that the native part writes, in its order."""

_READ_ONLY: Final = "read_only"
LABELS: Final = frozenset((_READ_ONLY,))
"""Labels of the samples, in addition to those with `LABEL_PREFIXES`."""
LABEL_PREFIXES: Final = ("master_", "slave_")

_NUMBERS: Final = (  # of one primary, in fields that begin with `master_` or `master_1_`
    "last_io_seconds_ago",
    "sync_in_progress",
    "link_down_since_seconds",
    "sync_total_bytes",
    "sync_read_bytes",
    "sync_left_bytes",
    "sync_perc",
    "sync_last_io_seconds_ago",
)
_OFFSETS: Final = ("slave_repl_offset", "slave_read_repl_offset")
_OF_PRIMARY: Final = re.compile(f"(master(?:_[0-9]+)?)_(link_status|{'|'.join(_NUMBERS)})")
_OF_EACH_PRIMARY: Final = re.compile("|".join(_OFFSETS))
NAMES: Final = frozenset(
    family_of(field).name for field in (*_OFFSETS, *(f"master_{name}" for name in _NUMBERS))
)
"""Metrics of primaries whose name is that of a field, and which have labels."""
_REPEATED: Final = (
    "master_",
    "slave_",
    "replica_",
    "psync_",
)  # of fields that are repeated for each primary
MAX_PRIMARIES: Final = 32
"""Most primaries of a server that have samples; each field of a primary is compared with all."""
_REPLICA: Final = re.compile("slave[0-9]+")
_FORM_OF_REDIS: Final = ("state", "offset")  # parts whose absence shows another server
_VERSIONS_BYTES: Final = ("garnet_version", "pika_version")
_VERSIONS_RECORDS: Final = ("dragonfly_version", "kvrocks_version")
OTHER_SERVERS: Final = (*_VERSIONS_BYTES, *_VERSIONS_RECORDS)
"""Fields of servers that measure the lag of a replica in another unit than seconds."""
_PARTS_OF_BYTES: Final = ("sequenceNumber", "conn_fd", "sid")  # of Garnet and Pika


def primaries(fields: Fields) -> Sequence[Labels]:
    """Return the labels of each primary that a server replicates from, in the reply's order.

    They are at most `MAX_PRIMARIES`.
    """
    found = list(_numbered(fields, "master"))
    number = 1
    while len(found) < MAX_PRIMARIES and f"master_{number}_host" in fields:
        found += _numbered(fields, f"master_{number}")
        number += 1
    return found[:MAX_PRIMARIES]


def owners(fields: Fields, name: str, value: Value) -> Sequence[Labels]:
    """Return the primary of each value of a field that is repeated for each of several primaries.

    Returns:
        Their labels, as many as there are values; nothing if the field is another one.
    """
    if not isinstance(value, list) or not name.startswith(_REPEATED):
        return ()
    found = primaries(fields)
    return found if len(found) == len(value) else ()


def metric_of_primary(field: str) -> Family | None:
    """Return the metric of a number of a server's primary; None if it is one of several."""
    if field in _OFFSETS:
        return family_of(field)
    what = field.removeprefix("master_")
    if what == "link_status":
        return LINK
    return family_of(field) if what in _NUMBERS else None


def replica_samples(fields: Fields) -> Iterator[Sample]:
    """Yield a sample for each primary of a replica."""
    found = primaries(fields)
    if not found and fields.get("role") == "slave":
        found = [_labels(None, None)]
    modes = items_of(fields.get("slave_read_only"))
    for place, labels in enumerate(found):
        mode = modes[place if len(modes) == len(found) else 0] if modes else None
        yield Sample(_SLAVE, (*labels, (_READ_ONLY, label_of(mode))), 1)


def _numbered(fields: Fields, which: str) -> Iterator[Labels]:
    """Yield the labels of the primaries whose fields begin with `master`, or `master_1`, ..."""
    hosts, ports = items_of(fields.get(f"{which}_host")), items_of(fields.get(f"{which}_port"))
    for place, host in enumerate(hosts[:MAX_PRIMARIES]):
        yield _labels(host, ports[place] if len(ports) == len(hosts) else None)


def _labels(host: Value | None, port: Value | None) -> Labels:
    return ("master_host", label_of(host)), ("master_port", label_of(port))


def _of_primary(fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    found = _OF_PRIMARY.fullmatch(name)
    if found is None:
        labels, what = primaries(fields), name
    else:
        labels, what = list(_numbered(fields, found[1])), f"master_{found[2]}"
    values = items_of(value)
    labels = labels or [_labels(None, None)]
    if len(labels) != len(values):
        return  # a value is missing, and which is unknown
    of = LINK if what == "master_link_status" else family_of(what)
    for one, item in zip(labels, values, strict=True):
        number = int(item == "up") if of is LINK else number_or_flag(item)
        if number is not None:
            yield Sample(of, one, number)


def _replica(fields: Fields, _name: str, value: Value) -> Iterator[Sample]:
    for replica in maps_of(value):
        labels = tuple(
            (f"slave_{part}", label_of(replica.get(part))) for part in ("ip", "port", "state")
        )
        offset, lag = number_of(replica.get("offset")), number_of(replica.get("lag"))
        of_lag = _lag_family(fields, replica)
        if offset is not None:
            of = _SLAVE_OFFSET_RECORDS if of_lag is _SLAVE_LAG_RECORDS else _SLAVE_OFFSET
            yield Sample(of, labels, offset)
        if lag is not None:
            yield Sample(of_lag, labels, lag)


def _lag_family(fields: Fields, replica: Mapping[str, Value]) -> Family:
    """Return the metric of a replica's lag, which not every server measures in seconds.

    Dragonfly and Kvrocks count records of the log, Garnet and Pika bytes. Redis, Valkey and KeyDB
    measure seconds; their lines always have the parts `state` and `offset`. Those of Dragonfly have
    no offset, and those of Kvrocks no state: so they are known if the version is hidden, too.
    """
    if any(version in fields for version in _VERSIONS_BYTES):
        return _SLAVE_LAG_BYTES
    if any(part in replica for part in _PARTS_OF_BYTES):
        return _SLAVE_LAG_BYTES
    if any(version in fields for version in _VERSIONS_RECORDS):
        return _SLAVE_LAG_RECORDS
    if all(part in replica for part in _FORM_OF_REDIS):
        return _SLAVE_LAG
    return _SLAVE_LAG_RECORDS


BY_PATTERN: Final[tuple[tuple[re.Pattern[str], Sampler], ...]] = (
    (_REPLICA, _replica),
    (_OF_PRIMARY, _of_primary),
    (_OF_EACH_PRIMARY, _of_primary),
)
REPLICA: Final[Sampler] = _replica
"""The sampler of the lines of replicas."""
OF_PRIMARY: Final[Sampler] = _of_primary
"""The sampler of the numbers of primaries."""
