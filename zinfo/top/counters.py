"""Which fields of INFO only grow, and how fast they grew. Pure.

A server that was restarted, or told CONFIG RESETSTAT, counts from 0 again, and another server may
answer at the same place: then the difference of two readings means nothing, and no rate is told.
"""

from __future__ import annotations

from collections.abc import Mapping

from zinfo.client.updates import Value

COUNTERS = frozenset(
    (
        "acl_access_denied_auth",
        "acl_access_denied_channel",
        "acl_access_denied_cmd",
        "acl_access_denied_key",
        "active_defrag_hits",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "active_defrag_misses",
        "aof_rewrites",
        "client_output_buffer_limit_disconnections",
        "client_query_buffer_limit_disconnections",
        "dump_payload_sanitizations",
        "eventloop_cycles",
        "eventloop_duration_cmd_sum",
        "eventloop_duration_sum",
        "evicted_clients",
        "evicted_keys",
        "evicted_scripts",
        "expire_cycle_cpu_milliseconds",
        "expired_fields",
        "expired_keys",
        "expired_stale_perc_count",
        "expired_subkeys",
        "expired_time_cap_reached_count",
        "io_threaded_reads_processed",
        "io_threaded_total_prefetch_batches",
        "io_threaded_total_prefetch_entries",
        "io_threaded_writes_processed",
        "keyspace_hits",
        "keyspace_misses",
        "lazyfreed_objects",
        "master_repl_offset",
        "rdb_saves",
        "rejected_connections",
        "reply_buffer_expands",
        "reply_buffer_shrinks",
        "slave_repl_offset",
        "sync_full",
        "sync_partial_err",
        "sync_partial_ok",
        "total_active_defrag_time",
        "total_commands_processed",
        "total_connections_received",
        "total_error_replies",
        "total_eviction_exceeded_time",
        "total_forks",
        "total_net_input_bytes",
        "total_net_output_bytes",
        "total_net_repl_input_bytes",
        "total_net_repl_output_bytes",
        "total_reads_processed",
        "total_writes_processed",
        "unexpected_error_replies",
        "used_cpu_sys",
        "used_cpu_sys_children",
        "used_cpu_sys_main_thread",
        "used_cpu_user",
        "used_cpu_user_children",
        "used_cpu_user_main_thread",
    )
)
"""Fields that count something since the server's start or the last CONFIG RESETSTAT."""

COUNTS = {"cmdstat_": "calls", "errorstat_": "count"}
"""Beginnings of the names of maps that count, and the key that does."""

_TELLING = (
    "uptime_in_seconds",
    "total_commands_processed",
    "total_connections_received",
    "total_net_input_bytes",
    "keyspace_hits",
    "keyspace_misses",
)
"""Every server has them, they begin anew with all others, and they do not go back otherwise."""


def count_of(name: str, value: Value | None) -> float | None:
    """Return what a field has counted; None where it is no counter."""
    if isinstance(value, (int, float)):
        return value if name in COUNTERS else None
    if isinstance(value, dict):
        for beginning, key in COUNTS.items():
            if name.startswith(beginning):
                count = value.get(key)
                return count if isinstance(count, (int, float)) else None
    return None


def begun_anew(old: Mapping[str, Value], changed: Mapping[str, Value]) -> bool:
    """Return whether a server's counters do not go on from where they were.

    Args:
        old: the INFO before.
        changed: fields that have another value since.
    """
    if changed.get("run_id", old.get("run_id")) != old.get("run_id"):
        return True
    for name in _TELLING:
        if name in changed:
            before, after = old.get(name), changed[name]
            if (
                isinstance(before, (int, float))
                and isinstance(after, (int, float))
                and after < before
            ):
                return True
    return False


def rates(
    old: Mapping[str, Value], changed: Mapping[str, Value], seconds: float
) -> dict[str, float | None]:
    """Return how fast the counters that changed grew.

    Args:
        old: the INFO before.
        changed: fields that have another value since; of counters that went on.
        seconds: from then to now; above 0.

    Returns:
        By field, what came a second. None for one that is new, or went back by itself.
    """
    found: dict[str, float | None] = {}
    for name, value in changed.items():
        after = count_of(name, value)
        if after is not None:
            before = count_of(name, old.get(name))
            found[name] = None if before is None or after < before else (after - before) / seconds
    return found


def elapsed(told: float, waited: float) -> float | None:
    """Return the seconds between two polls, such that no rate is ever much too large.

    Args:
        told: by the daemon's clock, which may be set while it runs.
        waited: between the arrivals here; more or less, as messages are late.

    Returns:
        What the daemon told; but the wait where that is more than twice as long: then that clock
        was set back, or a message was late. None where there is nothing to divide by.
    """
    seconds = told if told >= waited / 2 else waited
    return seconds if seconds > SHORTEST else None


SHORTEST = 0.001
"""Seconds between two polls below which no rate is told."""


def ratio(hits: float | None, misses: float | None) -> float | None:
    """Return hits as a part of both; None where there were neither."""
    if hits is None or misses is None or hits + misses <= 0:
        return None
    return hits / (hits + misses)
