"""The metric of each field of INFO.

The names are those of redis_exporter (https://github.com/oliver006/redis_exporter, version 1.45
and additions of later ones), so that its dashboards and alerts work unchanged. A numeric field
without a name there is a gauge with the name of the field.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

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


_GAUGES: Final = {
    # Clients
    "client_recent_max_output_buffer": "client_recent_max_output_buffer_bytes",
    "client_recent_max_input_buffer": "client_recent_max_input_buffer_bytes",
    "maxclients": "max_clients",
    # Memory
    "allocator_active": "allocator_active_bytes",
    "allocator_allocated": "allocator_allocated_bytes",
    "allocator_resident": "allocator_resident_bytes",
    "used_memory": "memory_used_bytes",
    "used_memory_rss": "memory_used_rss_bytes",
    "used_memory_peak": "memory_used_peak_bytes",
    "used_memory_lua": "memory_used_lua_bytes",
    "used_memory_vm_eval": "memory_used_vm_eval_bytes",
    "used_memory_scripts_eval": "memory_used_scripts_eval_bytes",
    "used_memory_overhead": "memory_used_overhead_bytes",
    "used_memory_startup": "memory_used_startup_bytes",
    "used_memory_dataset": "memory_used_dataset_bytes",
    "used_memory_scripts": "memory_used_scripts_bytes",
    "used_memory_vm_functions": "memory_used_vm_functions_bytes",
    "used_memory_vm_total": "memory_used_vm_total",
    "used_memory_functions": "memory_used_functions_bytes",
    "maxmemory": "memory_max_bytes",
    "maxmemory_reservation": "memory_max_reservation_bytes",
    "maxmemory_desired_reservation": "memory_max_reservation_desired_bytes",
    "maxfragmentationmemory_reservation": "memory_max_fragmentation_reservation_bytes",
    "maxfragmentationmemory_desired_reservation": (
        "memory_max_fragmentation_reservation_desired_bytes"
    ),
    "expired_stale_perc": "expired_stale_percentage",
    "mem_not_counted_for_evict": "mem_not_counted_for_eviction_bytes",
    "mem_total_replication_buffers": "mem_total_replication_buffers_bytes",
    "mem_overhead_db_hashtable_rehashing": "mem_overhead_db_hashtable_rehashing_bytes",
    "total_system_memory": "total_system_memory_bytes",
    "migrate_cached_sockets": "migrate_cached_sockets_total",
    "active_defrag_hits": "defrag_hits",
    "active_defrag_misses": "defrag_misses",
    "active_defrag_key_hits": "defrag_key_hits",
    "active_defrag_key_misses": "defrag_key_misses",
    "expired_time_cap_reached_count": "expired_time_cap_reached_total",
    # Persistence
    "loading": "loading_dump_file",
    "rdb_last_save_time": "rdb_last_save_timestamp_seconds",
    "rdb_last_bgsave_time_sec": "rdb_last_bgsave_duration_sec",
    "rdb_current_bgsave_time_sec": "rdb_current_bgsave_duration_sec",
    "rdb_last_cow_size": "rdb_last_cow_size_bytes",
    "rdb_last_load_keys_expired": "rdb_last_load_expired_keys",
    "rdb_last_load_keys_loaded": "rdb_last_load_loaded_keys",
    "aof_last_rewrite_time_sec": "aof_last_rewrite_duration_sec",
    "aof_current_rewrite_time_sec": "aof_current_rewrite_duration_sec",
    "aof_last_cow_size": "aof_last_cow_size_bytes",
    "aof_current_size": "aof_current_size_bytes",
    "aof_base_size": "aof_base_size_bytes",
    # Replication
    "repl_backlog_size": "replication_backlog_bytes",
    "repl_backlog_active": "repl_backlog_is_active",
    "repl_backlog_histlen": "repl_backlog_history_bytes",
    "sync_full": "replica_resyncs_full",
    "sync_partial_ok": "replica_partial_resync_accepted",
    "sync_partial_err": "replica_partial_resync_denied",
    # Cluster
    "cluster_stats_messages_sent": "cluster_messages_sent_total",
    "cluster_stats_messages_received": "cluster_messages_received_total",
    # KeyDB
    "server_threads": "server_threads_total",
    "long_lock_waits": "long_lock_waits_total",
    # Tile38
    "tile38_aof_size": "tile38_aof_size_bytes",
    "tile38_avg_point_size": "tile38_avg_item_size_bytes",
    "tile38_sys_cpus": "tile38_cpus_total",
    "tile38_heap_alloc_bytes": "tile38_heap_size_bytes",
    "tile38_in_memory_size": "tile38_in_memory_size_bytes",
    "tile38_max_heap_size": "tile38_max_heap_size_bytes",
    "tile38_alloc_bytes": "tile38_mem_alloc_bytes",
    "tile38_num_collections": "tile38_num_collections_total",
    "tile38_num_hooks": "tile38_num_hooks_total",
    "tile38_num_objects": "tile38_num_objects_total",
    "tile38_num_points": "tile38_num_points_total",
    "tile38_pointer_size": "tile38_pointer_size_bytes",
    "tile38_go_threads": "tile38_threads_total",
    "tile38_go_goroutines": "tile38_go_goroutines_total",
}
"""Gauges with another name than their field, without the prefix."""

_COUNTERS: Final = {
    "total_connections_received": "connections_received_total",
    "total_commands_processed": "commands_processed_total",
    "rejected_connections": "rejected_connections_total",
    "total_net_input_bytes": "net_input_bytes_total",
    "total_net_output_bytes": "net_output_bytes_total",
    "total_net_repl_input_bytes": "net_repl_input_bytes_total",
    "total_net_repl_output_bytes": "net_repl_output_bytes_total",
    "expired_subkeys": "expired_subkeys_total",
    "expired_keys": "expired_keys_total",
    "expire_cycle_cpu_milliseconds": "expire_cycle_cpu_time_ms_total",
    "evicted_keys": "evicted_keys_total",
    "evicted_clients": "evicted_clients_total",
    "evicted_scripts": "evicted_scripts_total",
    "total_eviction_exceeded_time": "eviction_exceeded_time_ms_total",
    "keyspace_hits": "keyspace_hits_total",
    "keyspace_misses": "keyspace_misses_total",
    "used_cpu_sys": "cpu_sys_seconds_total",
    "used_cpu_user": "cpu_user_seconds_total",
    "used_cpu_sys_children": "cpu_sys_children_seconds_total",
    "used_cpu_user_children": "cpu_user_children_seconds_total",
    "used_cpu_sys_main_thread": "cpu_sys_main_thread_seconds_total",
    "used_cpu_user_main_thread": "cpu_user_main_thread_seconds_total",
    "unexpected_error_replies": "unexpected_error_replies",
    "total_error_replies": "total_error_replies",
    "dump_payload_sanitizations": "dump_payload_sanitizations",
    "total_reads_processed": "total_reads_processed",
    "total_writes_processed": "total_writes_processed",
    "io_threaded_reads_processed": "io_threaded_reads_processed",
    "io_threaded_writes_processed": "io_threaded_writes_processed",
    "client_query_buffer_limit_disconnections": "client_query_buffer_limit_disconnections_total",
    "client_output_buffer_limit_disconnections": "client_output_buffer_limit_disconnections_total",
    "reply_buffer_shrinks": "reply_buffer_shrinks_total",
    "reply_buffer_expands": "reply_buffer_expands_total",
    "acl_access_denied_auth": "acl_access_denied_auth_total",
    "acl_access_denied_cmd": "acl_access_denied_cmd_total",
    "acl_access_denied_key": "acl_access_denied_key_total",
    "acl_access_denied_channel": "acl_access_denied_channel_total",
    "rdb_saves": "rdb_saves_total",
}

STATUS_FIELDS: Final = frozenset(
    ("aof_last_bgrewrite_status", "aof_last_write_status", "rdb_last_bgsave_status")
)
"""Fields whose text redis_exporter converts to a number: 1 for `ok`, else 0."""

_IO_THREAD: Final = re.compile(r"used_active_time_io_thread_([0-9]+)")
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_]")


def family(name: str, kind: str, text: str) -> Family:
    """Return a metric of this name, given without the prefix."""
    return Family(PREFIX + name, kind, text)


_BY_FIELD: Final = {
    field: family(name, kind, f"INFO's {field}")
    for kind, table in (("gauge", _GAUGES), ("counter", _COUNTERS))
    for field, name in table.items()
}
_BY_METRIC: Final = {of.name: of for of in reversed(_BY_FIELD.values())}


def family_of(field: str) -> Family:
    """Return the metric of a field whose value is one number.

    A metric of the tables has its type and HELP text from there, whichever field has its name:
    `max_clients` of one server is the same metric as `maxclients` of another.
    """
    if field in _BY_FIELD:
        return _BY_FIELD[field]
    name = _FOREIGN.sub("_", field)
    return _BY_METRIC.get(PREFIX + name) or family(name, "gauge", f"INFO's {field}")


def is_in_tables(of: Family) -> bool:
    """Return whether the tables have a metric of this name."""
    return of.name in _BY_METRIC


def has_renamed_source(field: str, of: Family) -> bool:
    """Return whether the tables give the metric with the name of this field to another field."""
    return is_in_tables(of) and field not in _BY_FIELD


def io_thread_of(field: str) -> str | None:
    """Return the number of the I/O thread in the name of a field; None for other fields."""
    found = _IO_THREAD.fullmatch(field)
    return found and found[1]
