"""One shard in detail: a row of the fleet dashboard."""

from __future__ import annotations

from typing import Final

from deploy.grafana.panels import Json, Query, graph, stat, table

_ONE: Final = '{zinfo=~"$zinfo", instance="$shard"}'


def in_detail() -> list[Json]:
    """Return its panels; the variable `shard` selects the shard."""
    return [*_is(), *_does(), *_holds()]


def _rate(metric: str) -> str:
    return f"rate({metric}{_ONE}[$__rate_interval])"


def _is() -> list[Json]:
    return [
        stat(
            "State",
            "none",
            Query(f"zinfo_shard_state{_ONE}", "{{state}} {{reason}}"),
            names=True,
        ),
        stat("Uptime", "s", Query(f"redis_uptime_in_seconds{_ONE}")),
        stat("Age of INFO", "s", Query(f"zinfo_shard_info_age_seconds{_ONE}"), bad=30),
        table(
            "Instance",
            "none",
            Query(f"redis_instance_info{_ONE}"),
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
                'redis_latency_percentiles_usec{zinfo=~"$zinfo", instance="$shard", quantile="99"}',
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
            Query(f"redis_connected_clients{_ONE}", "connected"),
            Query(f"redis_blocked_clients{_ONE}", "blocked"),
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
    behind = f"redis_master_repl_offset{_ONE} - on (job, zinfo, instance) group_right ()"
    replica = "{{slave_ip}}:{{slave_port}}"
    return [
        graph(
            "Memory",
            "bytes",
            Query(f"redis_memory_used_bytes{_ONE}", "used"),
            Query(f"redis_memory_used_rss_bytes{_ONE}", "resident"),
            Query(f"redis_memory_used_peak_bytes{_ONE}", "peak"),
            Query(f"redis_memory_max_bytes{_ONE} > 0", "maxmemory"),
        ),
        graph(
            "Fragmentation",
            "none",
            Query(f"redis_mem_fragmentation_ratio{_ONE}", "resident / used"),
            Query(f"redis_allocator_frag_ratio{_ONE}", "allocator"),
        ),
        graph(
            "Keys",
            "short",
            Query(f"redis_db_keys{_ONE}", "{{db}}"),
            Query(f"redis_db_keys_expiring{_ONE}", "{{db}}, with a time to live"),
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
            Query(f"{behind} redis_connected_slave_offset_bytes{_ONE}", replica),
            about="Of a primary: data that its replicas have not acknowledged.",
        ),
        graph(
            "Time since the last message of the primary",
            "s",
            Query(
                f"redis_master_last_io_seconds_ago{_ONE} >= 0", "{{master_host}}:{{master_port}}"
            ),
            about="Of a replica; empty without a link.",
        ),
        graph(
            "Unsaved changes",
            "short",
            Query(f"redis_rdb_changes_since_last_save{_ONE}", "changes"),
            about="Since the last RDB file.",
        ),
        graph(
            "Latest fork",
            "s",
            Query(f"redis_latest_fork_seconds{_ONE}", "duration"),
            about="The server serves no client during a fork.",
        ),
        graph(
            "Time since the last save",
            "s",
            Query(f"time() - redis_rdb_last_save_timestamp_seconds{_ONE}", "age of the RDB file"),
        ),
    ]
