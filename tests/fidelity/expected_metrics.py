"""Says which samples an INFO text gives, by the tables and rules of docs/reference/metrics.md."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from tests.daemons import ROOT
from tests.fidelity import labelled, replication
from tests.fidelity.reader import Fields, Reading
from tests.fidelity.samples import (
    Found,
    Labels,
    Path,
    each,
    flag_of,
    maps_of,
    number_of,
    numbers_in,
    paths_of_numbers,
    places_of,
)
from tests.fidelity.values import DATABASE, TEXT_NAMES, Value, has_text_name
from tests.metrics.texts import Samples

PAGE: Final = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")

_ROW: Final = r"(?m)^\| `(\w+)` \| `(redis_\w+)` \| (?:counter|gauge) \|"
RENAMED: Final[dict[str, str]] = dict(re.findall(_ROW, PAGE))
"""Field to metric, for the fields whose metric has another name."""

OLD_NAMES: Final[dict[str, str]] = {
    new: old for old, new in re.findall(r"(?m)^\| `(redis_\w+)` \| `(redis_\w+)` \|$", PAGE)
}
"""Metric to its name of before, under which it is exported as well."""

WITH_MEANING: Final = frozenset(
    re.findall(r"(?m)^\| `(redis_\w+)` \| (?:counter|gauge|summary) \|", PAGE)
)
"""Metrics with labels or a meaning of their own: no other field has them."""

_OF_OTHERS: Final = frozenset(RENAMED.values())

LABEL_LENGTH: Final = 256
"""Characters of a label; the rest is cut."""

_OF_EACH_PRIMARY: Final = ("master_", "slave_", "replica_", "psync_")
_MISSING: Final = "N/A"
_GREATER_IS_WORSE: Final = ("redis_connected_slave_lag",)
_LOWER_IS_WORSE: Final = (
    *("redis_connected_slave_offset", "redis_master_link_up", "redis_slave_repl_offset"),
)

_Rule: TypeAlias = "Callable[[Fields, str, Value, re.Match[str]], Iterator[Found]]"


def expected_samples(reading: Reading, time: float) -> Samples:
    """Return the samples of a text.

    Args:
        reading: The text.
        time: When it arrived, Unix time.
    """
    samples: Samples = {}
    sources: dict[str, str] = {}
    for one in sorted(_all(reading, time), key=lambda one: one.by_name):
        if one.is_plain and sources.setdefault(one.metric, one.path[0]) != one.path[0]:
            continue
        labels = frozenset((name, text[:LABEL_LENGTH]) for name, text in one.labels.items())
        # A field that is repeated, which no server does with these, has only the new name.
        old = None if labels else OLD_NAMES.get(one.metric)
        for metric in filter(None, (one.metric, old)):
            first = samples.setdefault((metric, labels), one.value)
            if metric.startswith(_GREATER_IS_WORSE):
                samples[metric, labels] = max(first, one.value)
            elif metric.startswith(_LOWER_IS_WORSE):
                samples[metric, labels] = min(first, one.value)
    return samples


def numbers_without_sample(reading: Reading) -> Iterator[Path]:
    """Yield the numbers of a text that give no sample: the field, and the place in it."""
    used = {one.path for one in _all(reading, 0)}
    for name, value in reading.fields().items():
        for path in paths_of_numbers(value):
            if (name, *path) not in used:
                yield name, *path


def _all(reading: Reading, time: float) -> Iterator[Found]:
    fields = reading.fields()
    yield from labelled.instance(fields, time)
    yield from replication.slave_info(fields)
    yield from _empty_database(reading)
    for name, value in fields.items():
        found, rule = _rule_of(name)
        if found is not None and rule is not None:
            yield from rule(fields, name, value, found)
        else:
            yield from _other(fields, name, value)


@functools.cache
def _rule_of(name: str) -> tuple[re.Match[str] | None, _Rule | None]:
    """Return the first rule whose pattern matches the name of a field."""
    for pattern, rule in _RULES:
        if found := re.fullmatch(pattern, name, re.DOTALL):
            return found, rule
    return None, None


def _empty_database(reading: Reading) -> Iterator[Found]:
    rows = [line.name for line in reading.lines] + [row for _section, row in reading.bad]
    is_there = any(re.match(r"db0(?![0-9])", row) for row in rows)  # Pika's rows have no colon
    if "Keyspace" in reading.titles and not is_there:
        yield Found("redis_db_keys", {"db": "db0"}, 0)
        yield Found("redis_db_keys_expiring", {"db": "db0"}, 0)


def _status(_fields: Fields, name: str, value: Value, _found: re.Match[str]) -> Iterator[Found]:
    for labels, path, item in each(name, value):
        yield Found(f"redis_{name}", labels, int(item == "ok"), path)


def _fork(_fields: Fields, name: str, value: Value, _found: re.Match[str]) -> Iterator[Found]:
    return _numbers({"redis_latest_fork_seconds": 1e6}, name, value)


def _limit(_fields: Fields, name: str, value: Value, _found: re.Match[str]) -> Iterator[Found]:
    return _numbers({RENAMED[name]: 1, f"redis_config_{name}": 1}, name, value)


def _expiry(fields: Fields, name: str, value: Value, found: re.Match[str]) -> Iterator[Found]:
    if fields.get(f"tls_{found[1]}_cert_serial") != "none":
        yield from _numbers({f"redis_{name}": 1}, name, value)


def _numbers(divisors: Mapping[str, float], name: str, value: Value) -> Iterator[Found]:
    for labels, path, item in each(name, value):
        number = number_of(item)
        if number is not None:
            for metric, divisor in divisors.items():
                yield Found(metric, labels, number / divisor, path, is_plain=True)


def _other(fields: Fields, name: str, value: Value) -> Iterator[Found]:
    """Yield the samples of a field without a rule of its own."""
    if isinstance(value, list) and not all(isinstance(item, dict) for item in value):
        yield from _list(fields, name, value)
    elif isinstance(value, (list, dict)):
        yield from _maps(name, value)
    else:
        number = number_of(value)
        if isinstance(value, str):
            is_text = has_text_name(name) or name in (*TEXT_NAMES, "process_supervised")
            flag = flag_of(value)
            number = None if is_text else number if flag is None else flag
        if number is not None:
            is_number = not isinstance(value, str)
            path = (name,)
            yield from _by_name(name, name, {}, number, path, is_plain=True, is_number=is_number)


def _list(fields: Fields, name: str, values: list[Value]) -> Iterator[Found]:
    if any(number_of(item) is None and item != _MISSING for item in values):
        return
    owners = replication.primaries(fields) if name.startswith(_OF_EACH_PRIMARY) else []
    for place, (path, item) in enumerate(places_of(name, values)):
        labels = owners[place] if len(owners) == len(values) else {"index": str(place)}
        number = number_of(item)
        if number is not None:
            yield from _by_name(name, name, labels, number, path, is_plain=True)


def _maps(name: str, value: Value) -> Iterator[Found]:
    numbered = re.fullmatch(r"([a-zA-Z].*?)_?([0-9]{1,10})", name)
    stem, index = (numbered[1], numbered[2]) if numbered else (name, "")
    for path, parts in maps_of(name, value):
        indices = ".".join(one for one in (index, *path[1:]) if one)
        for part, number in numbers_in(parts):
            labels = {**({"index": indices} if indices else {}), "part": part}
            yield from _by_name(stem, name, labels, number, (*path, part))


def _by_name(
    stem: str,
    name: str,
    labels: Labels,
    number: float,
    path: Path,
    *,
    is_plain: bool = False,
    is_number: bool = False,
) -> Iterator[Found]:
    """Yield a sample of a metric named after the field, unless that name has another meaning."""
    metric = RENAMED.get(stem) or "redis_" + re.sub("[^a-zA-Z0-9_]", "_", stem)
    by_name = name not in RENAMED
    is_of_other = metric in _OF_OTHERS and stem not in RENAMED and not is_number
    if not by_name or not (is_of_other or metric in WITH_MEANING):
        yield Found(metric, labels, number, path, by_name=by_name, is_plain=is_plain)


_RULES: Final[list[tuple[str, _Rule]]] = [
    (r"cmdstat_(.*)", labelled.command),
    (r"errorstat_(.*)", labelled.error),
    (r"latency_percentiles_usec_(.*)", labelled.percentiles),
    (DATABASE.pattern, labelled.database),
    (r"(db[0-9]+)_(distrib_[a-z_]{1,64})", labelled.distribution),
    (r"slave[0-9]+", replication.replica),
    (replication.OF_PRIMARY, replication.of_primary),
    (r"slave_(?:read_)?repl_offset", replication.of_primary),
    (r"master[0-9]+", replication.sentinel),
    (r"aof_last_bgrewrite_status|aof_last_write_status|rdb_last_bgsave_status", _status),
    (r"latest_fork_usec", _fork),
    (r"maxmemory|maxclients", _limit),
    (r"used_active_time_io_thread_([0-9]+)", labelled.active_time),
    (r"io_thread_([0-9]+)", labelled.thread),
    (r"module", labelled.module),
    (r"engine_([0-9]+)", labelled.engine),
    (r"listener([0-9]+)", labelled.listener),
    (r"tls_([a-z]+)_cert_serial", labelled.certificate),
    (r"tls_([a-z]+)_cert_expires_in_seconds", _expiry),
]
"""The rule for the fields whose name matches a pattern."""
