"""The state of the sources of shards as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from zinfo.shards.source_status import OK, SourceStatus

_GAUGES: tuple[tuple[str, str, Callable[[SourceStatus], float | None]], ...] = (
    (
        "shards",
        "shards of the source: those that it lists, and those that stay without",
        lambda one: one.shards,
    ),
    (
        "missing",
        "shards that stay although the last answer of the source lacks them",
        lambda one: one.missing,
    ),
    (
        "held",
        "missing shards that stay because too many would be removed at once",
        lambda one: one.held,
    ),
    (
        "skipped",
        "targets of the last answer that cannot be shards",
        lambda one: sum(one.skipped.values()),
    ),
    (
        "last_success_timestamp_seconds",
        "Unix time of the last successful read",
        lambda one: one.last_success,
    ),
    (
        "read_duration_seconds",
        "duration of the last successful read",
        lambda one: one.last_duration,
    ),
)
_COUNTERS: tuple[tuple[str, str, Callable[[SourceStatus], float]], ...] = (
    ("added", "shards that the source added", lambda one: one.added),
    ("removed", "shards that the source removed", lambda one: one.removed),
)


def source_metrics(statuses: Sequence[SourceStatus]) -> Iterator[Metric]:
    """Yield the metrics of some sources; those of a source that was never read have no times.

    Args:
        statuses: the state of each.
    """
    up = GaugeMetricFamily(
        "zinfo_source_up",
        "1 if the last read of the source was successful, else 0",
        labels=("source", "type"),
    )
    for one in statuses:
        up.add_metric((one.name, one.kind), int(one.state == OK))
    yield up
    for name, text, value_of in _GAUGES:
        gauge = GaugeMetricFamily(f"zinfo_source_{name}", text, labels=("source",))
        for one in statuses:
            value = value_of(one)
            if value is not None:
                gauge.add_metric((one.name,), value)
        yield gauge
    reads = CounterMetricFamily(
        "zinfo_source_reads", "reads of the source", labels=("source", "result")
    )
    for one in statuses:
        reads.add_metric((one.name, "ok"), one.reads)
        reads.add_metric((one.name, "failed"), one.failed_reads)
    yield reads
    for name, text, count_of in _COUNTERS:
        counter = CounterMetricFamily(f"zinfo_source_{name}", text, labels=("source",))
        for one in statuses:
            counter.add_metric((one.name,), count_of(one))
        yield counter
