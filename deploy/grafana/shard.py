"""One shard in detail: a row of the fleet dashboard."""

from __future__ import annotations

from typing import Final

from deploy.grafana.copies import MEMBER, SHARD, one, one_state
from deploy.grafana.panels import Json, Query, graph, stat, table

_PLACE: Final = 'zinfo=~"$zinfo", instance="$shard"'
_ONE: Final = f"{{{_PLACE}}}"


def in_detail() -> list[Json]:
    """Return its panels; the variable `shard` selects the shard."""
    return [*_is(), *_does(), *_holds()]


def _rate(metric: str) -> str:
    return one(f"rate({metric}{_ONE}[$__rate_interval])")


def _now(metric: str) -> str:
    return one(f"{metric}{_ONE}")


def _is() -> list[Json]:
    return [
        stat(
            "State",
            "none",
            Query(one_state(_PLACE), "{{state}} {{reason}}"),
            names=True,
        ),
        stat("Uptime", "s", Query(_now("redis_uptime_in_seconds"))),
        stat("Age of INFO", "s", Query(one(f"zinfo_shard_info_age_seconds{_ONE}", "min")), bad=30),
        table(
            "Instance",
            "none",
            Query(_now("redis_instance_info")),
            hidden=("job", "zinfo"),
            width=15,
        ),
    ]


def _does() -> list[Json]:
    calls = _rate("redis_commands_total")
    seconds = _rate("redis_commands_duration_seconds_total")
    return [
        graph(
            "Commands a second",
            "ops",
            Query(f"sum by (cmd) ({calls})", "{{cmd}}"),
            stacked=True,
        ),
        graph(
            "Mean duration of a command",
            "s",
            Query(f"sum by (cmd) ({seconds}) / (sum by (cmd) ({calls}) > 0)", "{{cmd}}"),
        ),
        graph(
            "99th percentile of the duration",
            "µs",
            Query(
                one(f'redis_latency_percentiles_usec{{{_PLACE}, quantile="99"}}'),
                "{{cmd}}",
            ),
            about="Since the start or CONFIG RESETSTAT. Redis 7.0 and later, and Valkey.",
        ),
        graph(
            "Keyspace hits and misses",
            "rps",
            Query(_rate("redis_keyspace_hits_total"), "hits"),
            Query(_rate("redis_keyspace_misses_total"), "misses"),
            stacked=True,
        ),
        graph(
            "Errors a second",
            "cps",
            Query(f"sum by (err) ({_rate('redis_errors_total')})", "{{err}}"),
            about="Error replies by their first word.",
        ),
        graph(
            "Clients",
            "short",
            Query(_now("redis_connected_clients"), "connected"),
            Query(_now("redis_blocked_clients"), "blocked"),
        ),
        graph(
            "Connections a second",
            "cps",
            Query(_rate("redis_connections_received_total"), "accepted"),
            Query(_rate("redis_rejected_connections_total"), "rejected"),
        ),
        graph(
            "Network",
            "Bps",
            Query(_rate("redis_net_input_bytes_total"), "in"),
            Query(_rate("redis_net_output_bytes_total"), "out"),
        ),
        graph(
            "CPU",
            "percentunit",
            Query(_rate("redis_cpu_user_seconds_total"), "user"),
            Query(_rate("redis_cpu_sys_seconds_total"), "system"),
            Query(_rate("redis_cpu_user_children_seconds_total"), "children, user"),
            Query(_rate("redis_cpu_sys_children_seconds_total"), "children, system"),
            about="Of one core.",
            stacked=True,
        ),
    ]


def _holds() -> list[Json]:
    behind = one(
        f"redis_master_repl_offset{_ONE} - on ({SHARD}, {MEMBER}) group_right () "
        f"redis_connected_slave_offset_bytes{_ONE}"
    )
    replica = "{{slave_ip}}:{{slave_port}}"
    return [
        graph(
            "Memory",
            "bytes",
            Query(_now("redis_memory_used_bytes"), "used"),
            Query(_now("redis_memory_used_rss_bytes"), "resident"),
            Query(_now("redis_memory_used_peak_bytes"), "peak"),
            Query(f"{_now('redis_memory_max_bytes')} > 0", "maxmemory"),
        ),
        graph(
            "Fragmentation",
            "none",
            Query(_now("redis_mem_fragmentation_ratio"), "resident / used"),
            Query(_now("redis_allocator_frag_ratio"), "allocator"),
        ),
        graph(
            "Keys",
            "short",
            Query(_now("redis_db_keys"), "{{db}}"),
            Query(_now("redis_db_keys_expiring"), "{{db}}, with a time to live"),
        ),
        graph(
            "Removed keys",
            "cps",
            Query(_rate("redis_expired_keys_total"), "expired"),
            Query(_rate("redis_evicted_keys_total"), "evicted"),
        ),
        graph(
            "Replication lag",
            "bytes",
            Query(behind, replica),
            about="Of a primary: data that its replicas have not acknowledged.",
        ),
        graph(
            "Time since the last message of the primary",
            "s",
            Query(
                f"{_now('redis_master_last_io_seconds_ago')} >= 0",
                "{{master_host}}:{{master_port}}",
            ),
            about="Of a replica; empty without a link.",
        ),
        graph(
            "Unsaved changes",
            "short",
            Query(_now("redis_rdb_changes_since_last_save"), "changes"),
            about="Since the last RDB file.",
        ),
        graph(
            "Latest fork",
            "s",
            Query(_now("redis_latest_fork_seconds"), "duration"),
            about="The server serves no client during a fork.",
        ),
        graph(
            "Time since the last save",
            "s",
            Query(
                f"time() - {_now('redis_rdb_last_save_timestamp_seconds')}", "age of the RDB file"
            ),
        ),
    ]
