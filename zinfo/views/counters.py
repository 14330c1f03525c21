"""Knows which fields of INFO are counters, and computes their rates. Pure.

Counters start from 0 again after a restart or CONFIG RESETSTAT, and continue elsewhere when another
server takes over the address. Then the difference of two readings is meaningless, and there is no
rate.
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
"""Fields that count since the server's start or the last CONFIG RESETSTAT."""

ITEM_COUNTERS = {
    "cmdstat_": ("calls", "usec", "rejected_calls", "failed_calls"),
    "errorstat_": ("count",),
}
"""Prefixes of fields that are maps with counters, and the keys of these, the main one first."""

RESET_MARKERS = (
    "uptime_in_seconds",
    "total_commands_processed",
    "total_connections_received",
    "total_net_input_bytes",
    "keyspace_hits",
    "keyspace_misses",
)
"""Counters of every server that are reset with all others, and otherwise never decrease."""


def counter_items(name: str) -> tuple[str, ...]:
    """Return the keys of the counters in a field that is a map; empty for other fields."""
    for prefix, keys in ITEM_COUNTERS.items():
        if name.startswith(prefix):
            return keys
    return ()


def were_reset(old: Mapping[str, Value], changed: Mapping[str, Value]) -> bool:
    """Return whether a server's counters were reset.

    Args:
        old: the previous INFO.
        changed: fields that changed since.
    """
    if changed.get("run_id", old.get("run_id")) != old.get("run_id"):
        return True
    for name in RESET_MARKERS:
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
    old: Mapping[str, Value], new: Mapping[str, Value], seconds: float
) -> dict[str, float | None]:
    """Return the rates of the counters in an INFO.

    Args:
        old: the previous INFO, where counters were not reset since.
        new: the INFO.
        seconds: between the two; above 0.

    Returns:
        Growth per second, by field; of the counters in a map by `FIELD.KEY`. None for a counter
        that is new, or that decreased by itself.
    """
    found: dict[str, float | None] = {}
    for name, value in new.items():
        if name in COUNTERS:
            if isinstance(value, (int, float)):
                found[name] = _rate(old.get(name), value, seconds)
        elif isinstance(value, dict):
            before = old.get(name)
            known = before if isinstance(before, dict) else {}
            for key in counter_items(name):
                item = value.get(key)
                if isinstance(item, (int, float)):
                    found[f"{name}.{key}"] = _rate(known.get(key), item, seconds)
    return found


def _rate(before: Value | None, after: float, seconds: float) -> float | None:
    if not isinstance(before, (int, float)) or after < before:
        return None
    return (after - before) / seconds


def elapsed(reported: float, waited: float) -> float | None:
    """Return the seconds between two polls, such that no rate is ever much too large.

    Args:
        reported: by the daemon's clock, which may be set while it runs.
        waited: between the arrivals here; inexact, as messages may be delayed.

    Returns:
        The reported time; but the wait where that is more than twice as long: then the daemon's
        clock was set back, or a message was delayed. None where the time is too short to divide by.
    """
    seconds = reported if reported >= waited / 2 else waited
    return seconds if seconds > MIN_SECONDS else None


MIN_SECONDS = 0.001
"""Seconds between two polls below which there is no rate."""


def ratio(hits: float | None, misses: float | None) -> float | None:
    """Return the share of hits in all reads, 0 to 1; None where there was no read."""
    if hits is None or misses is None or hits + misses <= 0:
        return None
    return hits / (hits + misses)
