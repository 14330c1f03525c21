"""SelfMetrics: zinfo's own counters as Prometheus metrics."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition
from prometheus_client.registry import Collector

from zinfo._version import __version__
from zinfo.health.stats import Histogram, Stats, lost_log_records
from zinfo.metrics.formats import OPEN_METRICS, TEXT, TextFormat
from zinfo.metrics.process_metrics import ProcessMetrics
from zinfo.metrics.source_metrics import source_metrics
from zinfo.shards.shard import ShardState
from zinfo.shards.source_status import SourceStatus
from zinfo.wire.slices import SliceSpec

_generate_open_metrics: Callable[[CollectorRegistry], bytes] = exposition.generate_latest  # untyped


class SelfMetrics(Collector):
    """Exposes the counters of a daemon.

    Args:
        stats: the counters.
        shards: returns the number of live shards by state.
        events: returns the number of lifecycle events since the start.
        bad_lines: returns the number of bad lines in the newest INFO of all shards.
        sources: returns the state of each source of shards.
        slice_spec: the slice of all shards that the daemon polls; None for all.
    """

    def __init__(
        self,
        stats: Stats,
        shards: Callable[[], Mapping[str, int]],
        events: Callable[[], int],
        bad_lines: Callable[[], int],
        sources: Callable[[], Sequence[SourceStatus]] = tuple,
        slice_spec: SliceSpec | None = None,
    ) -> None:
        self._stats = stats
        self._bad_lines = bad_lines
        self._shards = shards
        self._sources = sources
        self._slice = slice_spec
        self._events = events
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._registry.register(ProcessMetrics())

    def text(self, text_format: TextFormat = TEXT) -> bytes:
        """Return all metrics, without the end of the page."""
        if text_format.media_type == OPEN_METRICS.media_type:
            text = _generate_open_metrics(self._registry)
            return text.removesuffix(text_format.end)
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; prometheus_client calls this."""
        stats = self._stats
        build = GaugeMetricFamily(
            "zinfo_build_info", "zinfo's version; always 1", labels=("version", "python")
        )
        build.add_metric((__version__, platform.python_version()), 1)
        yield build
        if self._slice is not None:
            yield _slice_info(self._slice)
        shards = GaugeMetricFamily("zinfo_shards", "live shards by state", labels=("state",))
        counts = self._shards()
        for state in ShardState:  # including those without shards: a missing sample is not a 0
            shards.add_metric((state.value,), counts.get(state.value, 0))
        yield shards
        text = "lines that could not be parsed, in the newest INFO of all shards"
        yield _gauge("bad_lines", text, self._bad_lines())
        yield _gauge("uptime_seconds", "seconds since the start", time.monotonic() - stats.started)
        yield _counter("events", "lifecycle events", self._events())
        yield _gauge("hub_lag_seconds", "latest measured delay of the event loop", stats.hub_lag)
        yield _gauge(
            "hub_lag_max_seconds",
            "largest since the start",
            stats.hub_lag_max,
        )
        yield _gauge("saturated", "1 if one core cannot do all polls", int(stats.saturated))
        text = "actual polling intervals divided by the intended ones; 1 is on time"
        yield _gauge("interval_stretch_ratio", text, stats.stretch)
        text = "deprecated: use zinfo_interval_stretch_ratio"
        yield _gauge("stretch", text, stats.stretch)
        yield _by("part_restarts", "restarts of components after a crash", stats.restarts, "part")
        yield _by("faults", "unexpected exceptions in zinfo", stats.faults, "part")
        yield _gauge("open_files", "file descriptors in use", stats.files_open)
        yield _counter("log_records_lost", "log records not written", lost_log_records())
        yield from source_metrics(self._sources())
        yield from self._of_polls()
        yield from self._of_bus()
        yield from self._of_queries()
        yield from self._of_http()

    def _of_polls(self) -> Iterator[Metric]:
        poll = self._stats.poll
        yield _counter("polls", "INFO replies stored", poll.replies)
        yield _by("poll_failures", "failed polls", poll.failures, "reason")
        yield _histogram("poll_seconds", "from sending INFO to the stored reply", poll.duration)
        yield _histogram("poll_late_seconds", "from due time to start of a poll", poll.lateness)
        yield _counter("connects", "connections made to shards", poll.connects)
        yield _gauge("connecting", "connection attempts in progress", poll.connecting)
        yield _counter("refreshes", "polls requested by queries", poll.refreshes)

    def _of_bus(self) -> Iterator[Metric]:
        bus = self._stats.bus
        yield _by("bus_messages", "messages passed to ZeroMQ", bus.messages, "kind")
        yield _counter("bus_bytes", "bytes of the bodies of these messages", bus.bytes)
        yield _counter("bus_dropped", "messages that ZeroMQ did not accept", bus.errors)
        yield _gauge("bus_subscribers", "connections to the bus", bus.subscribers)
        yield _gauge("bus_topics", "topics subscribed", bus.topics)
        yield _counter("bus_refused", "rejected subscriptions and frames", bus.refused)
        yield _by(
            "bus_client_refused",
            "the same by client",
            bus.refused_by,
            "client",
        )
        yield _counter("bus_cut", "connections closed because of too many topics", bus.cut)
        yield _gauge("bus_sockets", "sockets of the bus, one for each set of rights", bus.sockets)

    def _of_queries(self) -> Iterator[Metric]:
        query = self._stats.query
        yield _by_two("queries", "requests answered", query.results, ("op", "result"))
        yield _counter("query_seconds", "total duration of successful requests", query.seconds)
        yield _by("queries_dropped", "messages that could not be answered", query.dropped, "reason")
        yield _by("connections", "connections with a CURVE key", self._stats.access, "result")

    def _of_http(self) -> Iterator[Metric]:
        http = self._stats.http
        yield _by_two("http_answers", "responses over HTTP", http.answers, ("path", "status"))
        yield _gauge("http_streams", "open streams", http.streams)
        yield _counter(
            "http_stream_dropped",
            "messages for slow clients dropped",
            http.dropped,
        )
        text = "samples omitted because of metrics.max_samples"
        yield _by("metrics_cut", text, http.cut_by, "family")


def _slice_info(slice_spec: SliceSpec) -> Metric:
    values = {name: str(value) for name, value in slice_spec.as_map().items()}
    text = "the slice of all shards that this daemon polls; always 1"
    info = GaugeMetricFamily("zinfo_slice_info", text, labels=tuple(values))
    info.add_metric(tuple(values.values()), 1)
    return info


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"zinfo_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"zinfo_{name}", text, value=value)


def _by(name: str, text: str, counts: Mapping[str, int], label: str) -> Metric:
    metric = CounterMetricFamily(f"zinfo_{name}", text, labels=(label,))
    for value, count in sorted(counts.items()):
        metric.add_metric((value,), count)
    return metric


def _by_two(
    name: str, text: str, counts: Mapping[tuple[str, str], int], labels: tuple[str, str]
) -> Metric:
    metric = CounterMetricFamily(f"zinfo_{name}", text, labels=labels)
    for key, count in sorted(counts.items()):
        metric.add_metric(key, count)
    return metric


def _histogram(name: str, text: str, counted: Histogram) -> Metric:
    buckets = []
    total = 0
    for bound, count in zip((*map(str, counted.bounds), "+Inf"), counted.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    metric = HistogramMetricFamily(f"zinfo_{name}", text)
    metric.add_metric((), buckets, counted.sum)
    return metric
