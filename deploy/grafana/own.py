"""The dashboard of zinfo itself."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Row, dashboard
from deploy.grafana.panels import Json, Query, graph, heatmap, stat
from deploy.grafana.variables import choice, choice_of_datasource

_ZINFO: Final = '{instance=~"$instance"}'
_NAME: Final = "{{instance}}"


def own() -> Json:
    """Return the dashboard."""
    return dashboard(
        "zinfo-own",
        "zinfo itself",
        "Polls, event loop, bus, queries, memory and file descriptors of zinfo.",
        variables=[
            choice_of_datasource(),
            choice("instance", "zinfo", "label_values(zinfo_build_info, instance)"),
        ],
        rows=[
            Row("Now", _now()),
            Row("Polls", _polls()),
            Row("Event loop and internal errors", _loop()),
            Row("Bus", _bus()),
            Row("Queries", _queries()),
            Row("Process and scrapes", _process()),
        ],
    )


def _rate(metric: str) -> str:
    return f"rate({metric}{_ZINFO}[$__rate_interval])"


def _rates_by(label: str, counter: str) -> Query:
    return Query(f"sum by ({label}) ({_rate(counter)})", f"{{{{{label}}}}}")


def _now() -> list[Json]:
    return [
        stat(
            "Version",
            "none",
            Query(f"zinfo_build_info{_ZINFO}", "{{version}}, Python {{python}}"),
            names=True,
        ),
        stat("Uptime", "s", Query(f"min(zinfo_uptime_seconds{_ZINFO})"), about="The shortest."),
        stat(
            "Shards",
            "short",
            Query(f"sum by (instance) (zinfo_shards{_ZINFO})", _NAME),
            about="Of each daemon. A shard with two copies is a shard of two daemons.",
        ),
        stat(
            "Shards not up",
            "short",
            Query('sum by (instance) (zinfo_shards{instance=~"$instance", state!="up"})', _NAME),
            about="Of each daemon.",
            bad=1,
        ),
        stat("Polls a second", "cps", Query(f"sum({_rate('zinfo_polls_total')})")),
        stat(
            "Interval stretch",
            "none",
            Query(f"max(zinfo_interval_stretch_ratio{_ZINFO})"),
            about="Actual polling intervals divided by the intended ones; 1 is on time.",
            bad=1.25,
        ),
        stat("Lag of the event loop", "s", Query(f"max(zinfo_hub_lag_seconds{_ZINFO})"), bad=0.05),
        stat(
            "File descriptors in use",
            "percentunit",
            Query(f"max(zinfo_process_open_fds{_ZINFO} / zinfo_process_max_fds{_ZINFO})"),
            bad=0.8,
        ),
    ]


def _polls() -> list[Json]:
    took = f"zinfo_poll_seconds_bucket{_ZINFO}"
    late = f"zinfo_poll_late_seconds_bucket{_ZINFO}"
    return [
        graph("Polls a second", "cps", Query(_rate("zinfo_polls_total"), _NAME)),
        graph(
            "Failed polls a second, by reason",
            "cps",
            _rates_by("reason", "zinfo_poll_failures_total"),
            stacked=True,
        ),
        graph(
            "Shards by state",
            "short",
            Query(f"zinfo_shards{_ZINFO}", f"{_NAME} {{{{state}}}}"),
            about="Of each daemon. A shard with two copies is a shard of two daemons.",
        ),
        heatmap("Duration of polls", "s", took, about="From sending INFO to storing the reply."),
        graph("Duration of polls", "s", *_percentiles(took)),
        graph(
            "Connections to shards",
            "cps",
            Query(f"sum({_rate('zinfo_connects_total')})", "established, a second"),
            Query(f"sum(zinfo_connecting{_ZINFO})", "being established"),
        ),
        heatmap("Lateness of polls", "s", late, about="From the due time of a poll to its start."),
        graph("Lateness of polls", "s", *_percentiles(late)),
        graph(
            "Polls for queries",
            "cps",
            Query(_rate("zinfo_refreshes_total"), _NAME),
            about="Polls requested by queries (refresh).",
        ),
    ]


def _percentiles(buckets: str) -> list[Query]:
    counted = f"sum by (le) (rate({buckets}[$__rate_interval]))"
    return [
        Query(f"histogram_quantile({part}, {counted})", name)
        for part, name in ((0.5, "50 % within"), (0.9, "90 % within"), (0.99, "99 % within"))
    ]


def _loop() -> list[Json]:
    return [
        graph(
            "Lag of the event loop",
            "s",
            Query(f"zinfo_hub_lag_seconds{_ZINFO}", f"{_NAME} last"),
            Query(f"zinfo_hub_lag_max_seconds{_ZINFO}", f"{_NAME} maximum since the start"),
            about="Delay of heartbeats.",
        ),
        graph(
            "Saturation",
            "none",
            Query(f"zinfo_interval_stretch_ratio{_ZINFO}", f"{_NAME} stretch"),
            Query(f"zinfo_saturated{_ZINFO}", f"{_NAME} saturated"),
            about="Saturated: intervals are 1.25 times as long as intended for three seconds.",
        ),
        graph(
            "CPU",
            "percentunit",
            Query(_rate("zinfo_process_cpu_seconds_total"), _NAME),
            about="As a part of one core: event loop, ZeroMQ, name resolution and gzip.",
        ),
        graph(
            "Internal errors",
            "short",
            Query(f"sum by (part) (zinfo_faults_total{_ZINFO})", "{{part}}, errors"),
            Query(f"sum by (part) (zinfo_part_restarts_total{_ZINFO})", "{{part}}, restarts"),
            about="Since the start; each has a traceback in the log.",
        ),
        graph(
            "Lifecycle events a second",
            "cps",
            Query(_rate("zinfo_events_total"), _NAME),
            about="Shards up, down, restarted, ...",
        ),
        graph(
            "Log records lost",
            "short",
            Query(f"zinfo_log_records_lost_total{_ZINFO}", _NAME),
            about="Since the start; the disk of the log is full, or its pipe is not read.",
        ),
    ]


def _bus() -> list[Json]:
    return [
        graph(
            "Messages a second, by kind",
            "cps",
            _rates_by("kind", "zinfo_bus_messages_total"),
            about="Messages sent to ZeroMQ, independent of the number of subscribers.",
            stacked=True,
        ),
        graph("Bytes a second", "Bps", Query(_rate("zinfo_bus_bytes_total"), _NAME)),
        graph(
            "Subscribers and topics",
            "short",
            Query(f"zinfo_bus_subscribers{_ZINFO}", f"{_NAME} subscribers"),
            Query(f"zinfo_bus_topics{_ZINFO}", f"{_NAME} topics"),
        ),
        graph(
            "Dropped and refused a second",
            "cps",
            Query(f"sum({_rate('zinfo_bus_dropped_total')})", "messages refused by ZeroMQ"),
            Query(f"sum({_rate('zinfo_bus_refused_total')})", "subscriptions refused"),
            about="Only a slow subscriber itself can count messages that ZeroMQ drops for it.",
        ),
        graph(
            "Connections with a key",
            "cps",
            _rates_by("result", "zinfo_connections_total"),
            about="Of clients with a CURVE key, admitted and refused.",
        ),
        graph(
            "HTTP streams",
            "short",
            Query(f"sum(zinfo_http_streams{_ZINFO})", "open"),
            Query(f"sum({_rate('zinfo_http_stream_dropped_total')})", "dropped messages, a second"),
        ),
    ]


def _queries() -> list[Json]:
    answered = 'rate(zinfo_queries_total{instance=~"$instance", result="ok"}[$__rate_interval])'
    return [
        graph(
            "Queries a second, by operation",
            "reqps",
            _rates_by("op", "zinfo_queries_total"),
            stacked=True,
        ),
        graph(
            "Queries a second, by result",
            "reqps",
            _rates_by("result", "zinfo_queries_total"),
            stacked=True,
        ),
        graph(
            "Mean duration of a query",
            "s",
            Query(
                f"sum by (instance) ({_rate('zinfo_query_seconds_total')}) "
                f"/ (sum by (instance) ({answered}) > 0)",
                _NAME,
            ),
            about="Of successful queries, including polls that they wait for.",
        ),
        graph(
            "Queries without a reply, a second",
            "cps",
            _rates_by("reason", "zinfo_queries_dropped_total"),
        ),
        graph(
            "HTTP responses a second, by path",
            "reqps",
            _rates_by("path", "zinfo_http_answers_total"),
            stacked=True,
        ),
        graph(
            "HTTP responses a second, by status",
            "reqps",
            _rates_by("status", "zinfo_http_answers_total"),
            stacked=True,
        ),
    ]


def _process() -> list[Json]:
    return [
        graph(
            "Memory",
            "bytes",
            Query(f"zinfo_process_resident_memory_bytes{_ZINFO}", _NAME),
            about="Resident.",
        ),
        graph(
            "File descriptors",
            "short",
            Query(f"zinfo_process_open_fds{_ZINFO}", f"{_NAME} in use"),
            Query(f"zinfo_process_max_fds{_ZINFO}", f"{_NAME} allowed"),
        ),
        graph("Duration of scrapes", "s", Query(f"scrape_duration_seconds{_ZINFO}", _NAME)),
        graph(
            "Samples of a scrape",
            "short",
            Query(f"scrape_samples_scraped{_ZINFO}", _NAME),
        ),
        graph(
            "Dropped samples, a second",
            "cps",
            Query(f"sum by (instance) ({_rate('zinfo_metrics_cut_total')})", _NAME),
            about="Because of metrics.max_samples.",
        ),
    ]
