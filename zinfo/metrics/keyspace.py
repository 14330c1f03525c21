"""Metrics of the databases (`db0:keys=1,expires=0`), and of the distributions of their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from zinfo.info.kinds import KEYSPACE_PATTERN
from zinfo.info.values import Value
from zinfo.metrics.names import Family, exporter_family, family, other_family
from zinfo.metrics.sample import (
    MILLI,
    Fields,
    PartMetric,
    Sample,
    Sampler,
    label_of,
    maps_of,
    number_of,
    other_part,
)
from zinfo.shards.snapshot import Snapshot

_KEYS: Final = exporter_family("db_keys", "INFO's dbN: keys")
_EXPIRING: Final = exporter_family("db_keys_expiring", "INFO's dbN: expires")
_TTL: Final = exporter_family("db_avg_ttl_seconds", "INFO's dbN: avg_ttl, in seconds")
_ITEMS: Final = family(
    "db_keys_with_expiring_items", "gauge", "INFO's dbN: subexpiry or keys_with_volatile_items"
)
_CACHED: Final = exporter_family("db_keys_cached", "INFO's dbN: cached_keys")

_PARTS: Final = {
    "keys": PartMetric(_KEYS, ()),
    "expires": PartMetric(_EXPIRING, ()),
    "avg_ttl": PartMetric(_TTL, (), MILLI),
    "subexpiry": PartMetric(_ITEMS, ()),
    "keys_with_volatile_items": PartMetric(_ITEMS, ()),
    "cached_keys": PartMetric(_CACHED, ()),
}
_NAMES: Final = frozenset(found.family.name for found in _PARTS.values())

LABELS: Final = frozenset(("db", "bin"))
"""Labels of the samples."""

EMPTY_DATABASE: Final = "db0"
"""The database that every server has, although INFO omits it where it is empty."""
_HEADER: Final = re.compile(rb"\n#[ \t]*Keyspace[ \t]*\r?(?:\n|$)")
_FIRST_LINE: Final = re.compile(rb"\ndb0[^0-9]")  # of any form: Pika's has no colon
_LINE_LENGTH: Final = 64  # more than the first line has if it is one of these
_DISTRIBUTIONS: Final = other_family("db_distrib_").name
_DISTRIBUTION: Final = re.compile("(db[0-9]+)_(distrib_[a-z_]{1,64})")


def is_database(field: str) -> bool:
    """Return whether a field is a database."""
    return KEYSPACE_PATTERN.fullmatch(field) is not None


def database_part(field: str, part: str) -> PartMetric | None:
    """Return the metric of one part of a database; None if there is none."""
    found = _PARTS.get(part) or other_part("db_", part, _NAMES)
    return found and found._replace(labels=(("db", label_of(field)),))


def has_database(snapshot: Snapshot) -> bool:
    """Return whether an INFO has the field of the first database."""
    raw = snapshot.raw
    if not raw:
        return EMPTY_DATABASE in snapshot.all_fields()
    # Servers write the databases last.
    return raw.rfind(b"\ndb0:") >= 0 or raw.startswith(b"db0:")


def empty_database(snapshot: Snapshot) -> Iterator[Sample]:
    """Yield the samples of the first database if it is empty, but none if that is not known.

    It is not known from a reply without the section `Keyspace`: of Sentinel, of Garnet, or if other
    sections were asked for.
    """
    if _has_empty_database(snapshot):
        yield Sample(_KEYS, (("db", EMPTY_DATABASE),), 0)
        yield Sample(_EXPIRING, (("db", EMPTY_DATABASE),), 0)


def _has_empty_database(snapshot: Snapshot) -> bool:
    raw = snapshot.raw
    if not raw:  # parsed by a client library, which does not tell the sections
        fields = snapshot.all_fields()
        return EMPTY_DATABASE not in fields and any(map(is_database, fields))
    return _has_line(_HEADER, raw) and not _has_line(_FIRST_LINE, raw)


def _has_line(pattern: re.Pattern[bytes], raw: bytes) -> bool:
    """Return whether a reply has a line that matches a pattern, which begins with a line end."""
    first = b"\n" + raw[:_LINE_LENGTH]
    return pattern.match(first) is not None or pattern.search(raw) is not None


def distribution_family(field: str) -> Family | None:
    """Return the metric of a distribution; None if the field is another one."""
    found = _DISTRIBUTION.fullmatch(field)
    return None if found is None else other_family(f"db_{found[2]}")


def is_distribution(of: Family) -> bool:
    """Return whether a metric has the name of one of distributions."""
    return of.name.startswith(_DISTRIBUTIONS)


def _distribution(_fields: Fields, name: str, value: Value) -> Iterator[Sample]:
    found = _DISTRIBUTION.fullmatch(name)
    if found is None:
        return
    of = other_family(f"db_{found[2]}")
    for bins in maps_of(value):
        for name_of_bin, count in bins.items():
            number = number_of(count)
            if number is not None:
                yield Sample(
                    of, (("db", label_of(found[1])), ("bin", label_of(name_of_bin))), number
                )


BY_PATTERN: Final[tuple[tuple[re.Pattern[str], Sampler], ...]] = ((_DISTRIBUTION, _distribution),)
DISTRIBUTION: Final[Sampler] = _distribution
"""The sampler of distributions."""
