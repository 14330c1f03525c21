"""The metric of each field of INFO.

Names and types are those of redis_exporter (https://github.com/oliver006/redis_exporter), so that
its dashboards and alerts work unchanged: they come from the table of `exporter_table.py`. A
numeric field that redis_exporter does not know is a gauge with the name of the field.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from zinfo.metrics.exporter_table import ROWS

PREFIX: Final = "redis_"


class Family(NamedTuple):
    """One metric.

    Attributes:
        name: with the prefix.
        kind: `counter`, `gauge` or `summary`.
        help: the HELP text: the source of its value.
    """

    name: str
    kind: str
    help: str


_BY_NAME: Final = {row.name: row for row in ROWS}
_NUMBER_KINDS: Final = {row.name: row.kind for row in ROWS if row.kind in ("counter", "gauge")}
"""By metric, not by field: each metric has one type, also if another field has its name."""

_RENAMED_FIELDS: Final = (
    # Memory
    "allocator_muzzy",
    "mem_cluster_links",
    "mem_aof_buffer",
    "mem_replication_backlog",
    # Stats
    "current_eviction_exceeded_time",
    "eventloop_cycles",
    "eventloop_duration_sum",
    "eventloop_duration_cmd_sum",
    # CPU
    "used_active_time_main_thread",
    # KeyDB
    "cached_keys",
    # Modules
    "bf_bloom_defrag_hits",
    "bf_bloom_defrag_misses",
    "search_used_memory_indexes",
    "search_bytes_collected",
    "search_smallest_memory_index",
    "search_largest_memory_index",
    "search_used_memory_vector_index",
    "search_gc_bytes_collected",
    "search_total_indexing_time",
    "search_total_cycles",
    "search_total_ms_run",
    "search_gc_total_cycles",
    "search_gc_total_ms_run",
    "search_total_queries_processed",
    "search_total_query_commands",
    "search_total_query_execution_time_ms",
    "search_total_active_queries",
    "search_worker_pool_suspend_cnt",
    "search_writer_resumed_cnt",
    "search_reader_resumed_cnt",
    "search_writer_suspension_expired_cnt",
    "search_rdb_load_success_cnt",
    "search_rdb_load_failure_cnt",
    "search_rdb_save_success_cnt",
    "search_rdb_save_failure_cnt",
    "search_vector_externing_generated_value_cnt",
    "search_vector_externing_lru_promote_cnt",
    "search_vector_externing_deferred_entry_cnt",
)
"""Fields that 0.2 exported under their own names, and that redis_exporter renames.

Until 0.4 they are exported under both names.
"""

STATUS_FIELDS: Final = frozenset(
    ("aof_last_bgrewrite_status", "aof_last_write_status", "rdb_last_bgsave_status")
)
"""Fields whose text redis_exporter converts to a number: 1 for `ok`, else 0."""

PART_STEMS: Final = {"command_": "cmdstat_*", "error_": "errorstat_*", "db_": "dbN"}
"""Beginnings of the metrics of parts that are not known by name, to the fields that have them."""

_IO_THREAD: Final = re.compile(r"used_active_time_io_thread_([0-9]+)")
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_]")


def family(name: str, kind: str, text: str) -> Family:
    """Return a metric of this name, given without the prefix."""
    return Family(PREFIX + name, kind, text)


def other_family(name: str, field: str = "") -> Family:
    """Return the metric of a field, or of a part of a field, that is not in the tables: a gauge.

    Args:
        name: without the prefix.
        field: the field, if it has another name.
    """
    for stem, fields in PART_STEMS.items():
        if name.startswith(stem):
            return family(name, "gauge", f"INFO's {name}, or {fields}: {name[len(stem) :]}")
    return family(name, "gauge", f"INFO's {field or name}")


def exporter_family(name: str, text: str) -> Family:
    """Return a metric of redis_exporter, with its type there.

    Args:
        name: without the prefix.
        text: the HELP text.

    Raises:
        KeyError: redis_exporter has no such metric.
    """
    return family(name, _BY_NAME[PREFIX + name].kind, text)


def exporter_labels(name: str) -> tuple[str, ...]:
    """Return the labels that a metric has in redis_exporter.

    Args:
        name: without the prefix.

    Raises:
        KeyError: redis_exporter has no such metric.
    """
    return _BY_NAME[PREFIX + name].labels


_BY_FIELD: Final = {
    row.field: Family(row.name, row.kind, f"INFO's {row.field}") for row in ROWS if row.field
}
DEPRECATED: Final = {
    field: family(field, "gauge", f"deprecated: use {_BY_FIELD[field].name}")
    for field in _RENAMED_FIELDS
}
"""The metrics that fields had in 0.2 and have in addition to their new ones."""
_PART_METRICS: Final = tuple(PREFIX + stem for stem in PART_STEMS)
_BY_METRIC: Final = {of.name: of for of in (*_BY_FIELD.values(), *DEPRECATED.values())}


def family_of(field: str) -> Family:
    """Return the metric of a field whose value is one number.

    A metric of the table has its type and HELP text from there, whichever field has its name:
    `max_clients` of one server is the same metric as `maxclients` of another.
    """
    if field in _BY_FIELD:
        return _BY_FIELD[field]
    name = _FOREIGN.sub("_", field)
    return _BY_METRIC.get(PREFIX + name) or other_family(name, field)


def may_be_of_part(of: Family) -> bool:
    """Return whether a metric has the name of one of parts that are not known by name."""
    return of.name.startswith(_PART_METRICS)


def deprecated_family_of(field: str) -> Family | None:
    """Return the metric of a field in 0.2 if it had another name; else None."""
    return DEPRECATED.get(field)


def is_in_tables(of: Family) -> bool:
    """Return whether a field of the table has a metric of this name, or had it in 0.2."""
    return of.name in _BY_METRIC


def has_renamed_source(field: str, of: Family) -> bool:
    """Return whether the table gives the metric with the name of this field to another field."""
    return is_in_tables(of) and field not in _BY_FIELD


def io_thread_of(field: str) -> str | None:
    """Return the number of the I/O thread in the name of a field; None for other fields."""
    found = _IO_THREAD.fullmatch(field)
    return found and found[1]
