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
        "How zinfo is doing: polls, event loop, bus, questions, memory and files.",
        variables=[
            choice_of_datasource(),
            choice("instance", "zinfo", "label_values(zinfo_build_info, instance)"),
        ],
        rows=[
            Row("Now", _now()),
            Row("Polls", _polls()),
            Row("Event loop and faults", _loop()),
            Row("Bus", _bus()),
            Row("Questions", _questions()),
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
        stat("Up for", "s", Query(f"min(zinfo_uptime_seconds{_ZINFO})"), about="The youngest."),
        stat("Shards", "short", Query(f"sum(zinfo_shards{_ZINFO})")),
        stat(
            "Shards not up",
            "short",
            Query('sum(zinfo_shards{instance=~"$instance", state!="up"})'),
            bad=1,
        ),
        stat("Polls a second", "cps", Query(f"sum({_rate('zinfo_polls_total')})")),
        stat(
            "Intervals are stretched",
            "none",
            Query(f"max(zinfo_interval_stretch_ratio{_ZINFO})"),
            about="Polling intervals take so many times as long as wanted; 1 is in time.",
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
            Query(f"sum by (state) (zinfo_shards{_ZINFO})", "{{state}}"),
            stacked=True,
        ),
        heatmap("How long polls take", "s", took, about="From the question to the stored reply."),
        graph("How long polls take", "s", *_percentiles(took)),
        graph(
            "Connections to shards",
            "cps",
            Query(f"sum({_rate('zinfo_connects_total')})", "made, a second"),
            Query(f"sum(zinfo_connecting{_ZINFO})", "being made"),
        ),
        heatmap(
            "How late polls begin", "s", late, about="From when a poll is due to its beginning."
        ),
        graph("How late polls begin", "s", *_percentiles(late)),
        graph(
            "Polls for questions",
            "cps",
            Query(_rate("zinfo_refreshes_total"), _NAME),
            about="Polls that a question asked for (refresh).",
        ),
    ]


def _percentiles(buckets: str) -> list[Query]:
    counted = f"sum by (le) (rate({buckets}[$__rate_interval]))"
    return [
        Query(f"histogram_quantile({part}, {counted})", name)
        for part, name in ((0.5, "half within"), (0.9, "90 % within"), (0.99, "99 % within"))
    ]


def _loop() -> list[Json]:
    return [
        graph(
            "Lag of the event loop",
            "s",
            Query(f"zinfo_hub_lag_seconds{_ZINFO}", f"{_NAME} last"),
            Query(f"zinfo_hub_lag_max_seconds{_ZINFO}", f"{_NAME} most since its start"),
            about="By how much heartbeats are late.",
        ),
        graph(
            "Saturation",
            "none",
            Query(f"zinfo_interval_stretch_ratio{_ZINFO}", f"{_NAME} stretch"),
            Query(f"zinfo_saturated{_ZINFO}", f"{_NAME} saturated"),
            about="Saturated is 1 where intervals are stretched by a quarter for three seconds.",
        ),
        graph(
            "CPU",
            "percentunit",
            Query(_rate("zinfo_process_cpu_seconds_total"), _NAME),
            about="Of one core: the event loop's and that of ZeroMQ, names and gzip.",
        ),
        graph(
            "Faults",
            "short",
            Query(f"sum by (part) (zinfo_faults_total{_ZINFO})", "{{part}}, faults"),
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
            about="Since the start; the log's disk is full, or nobody reads its pipe.",
        ),
    ]


def _bus() -> list[Json]:
    return [
        graph(
            "Messages a second, by kind",
            "cps",
            _rates_by("kind", "zinfo_bus_messages_total"),
            about="Handed to ZeroMQ, once for however many subscribers.",
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
            Query(f"sum({_rate('zinfo_bus_dropped_total')})", "messages not taken by ZeroMQ"),
            Query(f"sum({_rate('zinfo_bus_refused_total')})", "subscriptions refused"),
            about="Not what ZeroMQ drops for a slow subscriber: only that one can count it.",
        ),
        graph(
            "Connections with a key",
            "cps",
            _rates_by("result", "zinfo_connections_total"),
            about="Of clients with a CURVE key, let in and refused.",
        ),
        graph(
            "Streams over HTTP",
            "short",
            Query(f"sum(zinfo_http_streams{_ZINFO})", "open"),
            Query(f"sum({_rate('zinfo_http_stream_dropped_total')})", "messages lost, a second"),
        ),
    ]


def _questions() -> list[Json]:
    answered = 'rate(zinfo_queries_total{instance=~"$instance", result="ok"}[$__rate_interval])'
    return [
        graph(
            "Questions a second, by operation",
            "reqps",
            _rates_by("op", "zinfo_queries_total"),
            stacked=True,
        ),
        graph(
            "Questions a second, by result",
            "reqps",
            _rates_by("result", "zinfo_queries_total"),
            stacked=True,
        ),
        graph(
            "Mean time of an answer",
            "s",
            Query(
                f"sum by (instance) ({_rate('zinfo_query_seconds_total')}) "
                f"/ (sum by (instance) ({answered}) > 0)",
                _NAME,
            ),
            about="Of those that succeeded; polls that they wait for included.",
        ),
        graph(
            "Not answered, a second",
            "cps",
            _rates_by("reason", "zinfo_queries_dropped_total"),
        ),
        graph(
            "Answers over HTTP a second, by path",
            "reqps",
            _rates_by("path", "zinfo_http_answers_total"),
            stacked=True,
        ),
        graph(
            "Answers over HTTP a second, by status",
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
        graph("How long scrapes take", "s", Query(f"scrape_duration_seconds{_ZINFO}", _NAME)),
        graph(
            "Samples of a scrape",
            "short",
            Query(f"scrape_samples_scraped{_ZINFO}", _NAME),
        ),
        graph(
            "Samples left out, a second",
            "cps",
            Query(_rate("zinfo_metrics_cut_total"), _NAME),
            about="Over metrics.max_samples.",
        ),
    ]
