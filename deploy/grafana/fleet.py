"""The fleet dashboard: all shards that zinfo watches."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Row, dashboard, mark
from deploy.grafana.copies import MEMBER, one, one_state
from deploy.grafana.panels import Json, Query, graph, stat, table
from deploy.grafana.shard import in_detail
from deploy.grafana.variables import choice, choice_of, choice_of_datasource

UID: Final = "zinfo-fleet"

_PLACE: Final = 'zinfo=~"$zinfo", $label=~"$value"'
_SHARDS: Final = f'{_PLACE}, instance=~"$instance"'
_ALL: Final = f"{{{_SHARDS}}}"
_BY: Final = " by ($label)"
_LEGEND: Final = "{{$label}}"
_LINK: Final = (
    f"/d/{UID}?var-shard=${{__value.raw}}&${{datasource:queryparam}}&${{zinfo:queryparam}}"
    "&${label:queryparam}&${value:queryparam}&${__url_time_range}"
)


def fleet() -> Json:
    """Return the dashboard."""
    return dashboard(
        UID,
        "Redis fleet (zinfo)",
        "All Redis servers that zinfo watches: states, load, memory, and one server in detail.",
        variables=[
            choice_of_datasource(),
            choice("zinfo", "zinfo", "label_values(redis_up, zinfo)"),
            choice(
                "label",
                "Label",
                "label_names()",
                several=False,
                first="job",
                regex=f"/^(?!__|le$|quantile$|{MEMBER}$).*/",
            ),
            choice("value", "is", "label_values(redis_up, $label)"),
            choice("instance", "Shards", f"label_values(redis_up{{{_PLACE}}}, instance)"),
            choice_of("top", "Top", ("10", "5", "20", "50")),
            choice(
                "shard", "Shard in detail", f"label_values(redis_up{_ALL}, instance)", several=False
            ),
        ],
        rows=[
            Row("Fleet", _overview()),
            Row("Load by $label", _load()),
            Row("Memory and keys by $label", _memory()),
            Row("Top $top", _top()),
            Row("One shard: $shard", in_detail(), collapsed=True),
        ],
        marks=[
            mark(
                "Restarts",
                f"{one(f'resets(redis_uptime_in_seconds{_ALL}[1m])')} > 0",
                "{{instance}} was restarted",
                "orange",
            )
        ],
    )


def _rate(metric: str) -> str:
    return one(f"rate({metric}{_ALL}[$__rate_interval])")


def _now(metric: str) -> str:
    return one(f"{metric}{_ALL}")


def _hit_ratio(by: str = "") -> str:
    hits = f"sum{by} ({_rate('redis_keyspace_hits_total')})"
    misses = f"sum{by} ({_rate('redis_keyspace_misses_total')})"
    return f"{hits} / ({hits} + {misses})"


def _overview() -> list[Json]:
    commands = "redis_commands_processed_total"
    age = one(f"zinfo_shard_info_age_seconds{_ALL}", "min")
    return [
        stat("Shards", "short", Query(f"count({_now('zinfo_shard_failures')})")),
        stat("Up", "short", Query(f"sum({_now('redis_up')})")),
        stat(
            "Down",
            "short",
            Query(f"count({_now('redis_up')} == 0) or vector(0)"),
            about="Shards that do not reply to INFO: down or busy.",
            bad=1,
        ),
        stat("Commands a second", "ops", Query(f"sum({_rate(commands)})")),
        stat("Memory used", "bytes", Query(f"sum({_now('redis_memory_used_bytes')})")),
        stat(
            "Hit ratio",
            "percentunit",
            Query(_hit_ratio()),
            about="Ratio of reads that found their key.",
        ),
        stat("Clients", "short", Query(f"sum({_now('redis_connected_clients')})")),
        stat(
            "Oldest INFO",
            "s",
            Query(f"max({age} and {_now('redis_up')} == 1)"),
            about="Of the shards that reply.",
            bad=30,
        ),
        graph(
            "Shards by state",
            "short",
            Query(f"count by (state) ({one_state(_SHARDS)})", "{{state}}"),
            stacked=True,
            width=12,
        ),
        table(
            "Not up",
            "short",
            Query(f"{one_state(_SHARDS)} == 1"),
            about="With the reason.",
            hidden=("job", "zinfo", MEMBER),
            link=_LINK,
            width=12,
        ),
    ]


def _load() -> list[Json]:
    return [
        _by_label(
            "Commands a second", "ops", _rate("redis_commands_processed_total"), stacked=True
        ),
        graph("Hit ratio", "percentunit", Query(_hit_ratio(_BY), _LEGEND)),
        _by_label("Clients", "short", _now("redis_connected_clients"), stacked=True),
        _by_label("Network, in", "Bps", _rate("redis_net_input_bytes_total"), stacked=True),
        _by_label("Network, out", "Bps", _rate("redis_net_output_bytes_total"), stacked=True),
        _by_label(
            "Rejected connections a second",
            "cps",
            _rate("redis_rejected_connections_total"),
            about="Because of maxclients.",
        ),
    ]


def _memory() -> list[Json]:
    return [
        _by_label("Memory used", "bytes", _now("redis_memory_used_bytes"), stacked=True),
        _by_label(
            "Highest ratio of memory to maxmemory",
            "percentunit",
            f"{_now('redis_memory_used_bytes')} / ({_now('redis_memory_max_bytes')} > 0)",
            of_several="max",
            about="Of the shards that have a maxmemory.",
        ),
        _by_label("Keys", "short", _now("redis_db_keys"), stacked=True),
        _by_label("Evicted keys a second", "cps", _rate("redis_evicted_keys_total")),
        _by_label("Expired keys a second", "cps", _rate("redis_expired_keys_total")),
        _by_label(
            "Highest replica lag",
            "s",
            _now("redis_connected_slave_lag_seconds"),
            of_several="max",
            about="Time since a replica last acknowledged its offset to its primary.",
        ),
    ]


def _by_label(
    title: str,
    unit: str,
    expr: str,
    *,
    of_several: str = "sum",
    about: str = "",
    stacked: bool = False,
) -> Json:
    query = Query(f"{of_several}{_BY} ({expr})", _LEGEND)
    return graph(title, unit, query, about=about, stacked=stacked)


def _top() -> list[Json]:
    cpu = f"{_rate('redis_cpu_user_seconds_total')} + {_rate('redis_cpu_sys_seconds_total')}"
    reads = f"{_rate('redis_keyspace_hits_total')} + {_rate('redis_keyspace_misses_total')}"
    ratio = f"{_rate('redis_keyspace_hits_total')} / ({reads} > 0)"
    return [
        _best("Commands a second", "ops", _rate("redis_commands_processed_total")),
        _best("Memory used", "bytes", _now("redis_memory_used_bytes")),
        _best(
            "Ratio of memory to maxmemory",
            "percentunit",
            f"{_now('redis_memory_used_bytes')} / ({_now('redis_memory_max_bytes')} > 0)",
        ),
        _best("Clients", "short", _now("redis_connected_clients")),
        _best("CPU", "percentunit", cpu, about="Of one core."),
        _best("Network, out", "Bps", _rate("redis_net_output_bytes_total")),
        _best(
            "Lowest hit ratio", "percentunit", ratio, about="Of the shards with reads.", least=True
        ),
        table(
            "Commands by time",
            "percentunit",
            Query(f"topk($top, sum by (cmd) ({_rate('redis_commands_duration_seconds_total')}))"),
            about="Sum over all shards, as a part of one core.",
            value="value",
        ),
    ]


def _best(title: str, unit: str, expr: str, *, about: str = "", least: bool = False) -> Json:
    choose, of_several = ("bottomk", "min") if least else ("topk", "max")
    query = Query(f"{choose}($top, {of_several} by (instance) ({expr}))")
    return table(title, unit, query, about=about, value="value", link=_LINK)
