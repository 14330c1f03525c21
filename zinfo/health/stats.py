"""zinfo's own counters: plain numbers that the other packages increment and `stats` returns."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

LATENESS_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds in seconds of the histogram of how late polls start."""
DURATION_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds in seconds of the histogram of how long polls take."""
MAX_CUT_METRICS = 50
"""Metrics whose omitted samples are counted by name."""


@dataclass(slots=True)
class Histogram:
    """Counts values in buckets, as a Prometheus histogram does.

    Attributes:
        bounds: upper bounds of the buckets, ascending.
        counts: for each bucket, how many values are in it (not cumulative); the last one counts the
            values above all bounds.
        sum: sum of all values.
    """

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Add a value."""
        self.sum += value
        self.counts[bisect_left(self.bounds, value)] += 1

    def as_map(self) -> dict[str, int]:
        """Return the counts by bound, as text; the key of the last one is `more`."""
        names = [*(f"{bound:g}" for bound in self.bounds), "more"]
        return dict(zip(names, self.counts, strict=True))


@dataclass(slots=True)
class PollStats:
    """Counters of the poller.

    Attributes:
        replies: INFO replies stored.
        failures: failed polls by reason.
        connects: connections made.
        connecting: connections that are being made now.
        most_connecting: the most at the same time since the start.
        refreshes: polls that a query requested.
        duration: seconds from a request to its stored reply.
        wanted_seconds: sum of the intervals at which polls were scheduled.
        lateness: seconds from the time at which a poll was due to its start.
        latest_seconds: the largest lateness since the start.
        errors: unexpected exceptions in callbacks of the poller.
    """

    replies: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    connects: int = 0
    connecting: int = 0
    most_connecting: int = 0
    refreshes: int = 0
    duration: Histogram = field(default_factory=lambda: Histogram(DURATION_BOUNDS))
    wanted_seconds: float = 0.0
    lateness: Histogram = field(default_factory=lambda: Histogram(LATENESS_BOUNDS))
    latest_seconds: float = 0.0
    errors: int = 0

    def record_start(self, lateness: float) -> None:
        """Count a poll that starts `lateness` seconds after it was due."""
        self.lateness.add(lateness)
        self.latest_seconds = max(self.latest_seconds, lateness)


@dataclass(slots=True)
class BusStats:
    """Counters of the bus.

    Attributes:
        messages: messages handed to ZeroMQ, by kind.
        bytes: sum of the sizes of their bodies.
        errors: messages that ZeroMQ did not accept.
        subscribers: current connections.
        topics: currently subscribed topics.
        refused: subscriptions that the client is not allowed to make or that are over the limit,
            and frames of subscribers that are no subscriptions.
        refused_by: the same by the client's name, if the bus has CURVE keys.
        cut: connections that were closed because their client subscribed too many topics.
        sockets: sockets of the bus, one for each set of rights that clients have.
    """

    messages: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    errors: int = 0
    subscribers: int = 0
    topics: int = 0
    refused: int = 0
    refused_by: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    sockets: int = 0


@dataclass(slots=True)
class QueryStats:
    """Counters of the query endpoint.

    Attributes:
        requests: successful requests, by operation.
        errors: error replies, by code.
        results: all requests, by operation and result: `ok` or the code of the error.
        dropped: messages without a reply, by reason.
        seconds: sum of the times from request to reply.
    """

    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    results: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(slots=True)
class HttpStats:
    """What the HTTP server did.

    Attributes:
        answers: responses, by path and status.
        streams: currently open event streams.
        dropped: messages not sent to clients that read their stream too slowly.
        cut: samples left out of `/metrics` because they were over the limit.
        cut_by: the same by metric.
    """

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    streams: int = 0
    dropped: int = 0
    cut: int = 0
    cut_by: Counter[str] = field(default_factory=Counter)

    def count_cut(self, samples: Mapping[str, int]) -> None:
        """Count the samples left out of one scrape, by metric.

        Servers name some metrics themselves: those over `MAX_CUT_METRICS` are counted as `other`.
        """
        for metric, count in samples.items():
            known = metric in self.cut_by or len(self.cut_by) < MAX_CUT_METRICS
            self.cut_by[metric if known else "other"] += count
            self.cut += count


@dataclass(slots=True)
class Stats:
    """All counters of one daemon.

    Attributes:
        started: monotonic clock at the start, in seconds.
        hub_lag: how late the event loop last was, in seconds.
        hub_lag_max: the largest lag since the start.
        stretch: current polling intervals as a multiple of those wanted; 1 is on time.
        saturated: whether more polls are due than can be done; see `zinfo.health.saturation`.
        restarts: crashes of supervised tasks, by name.
        faults: unexpected exceptions of zinfo itself, by part; crashes are included.
        files_open: file descriptors in use at the last count.
        files_limit: the limit of file descriptors.
        short_of_files: whether nearly all file descriptors are in use.
        access: connections of clients with a CURVE key: admitted (`in`) and `refused`.
    """

    started: float = field(default_factory=time.monotonic)
    hub_lag: float = 0.0
    hub_lag_max: float = 0.0
    stretch: float = 1.0
    saturated: bool = False
    restarts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    files_open: int = 0
    files_limit: int = 0
    short_of_files: bool = False
    access: Counter[str] = field(default_factory=Counter)
    poll: PollStats = field(default_factory=PollStats)
    bus: BusStats = field(default_factory=BusStats)
    query: QueryStats = field(default_factory=QueryStats)
    http: HttpStats = field(default_factory=HttpStats)

    def count_restart(self, name: str) -> None:
        """Count the restart of a supervised task."""
        self.restarts[name] += 1

    def as_map(self) -> dict[str, object]:
        """Return the counters as nested maps of text to number."""
        return {
            "uptime": time.monotonic() - self.started,
            "hub_lag": self.hub_lag,
            "hub_lag_max": self.hub_lag_max,
            "saturation": {"saturated": self.saturated, "stretch": self.stretch},
            "restarts": dict(self.restarts),
            "faults": dict(self.faults),
            "files": {
                "open": self.files_open,
                "limit": self.files_limit,
                "short": self.short_of_files,
            },
            "log": {"lost": lost_log_records()},
            "access": dict(self.access),
            "poll": {
                **_plain(self.poll),
                "reply_seconds": self.poll.duration.sum,
                "late_seconds": self.poll.lateness.sum,
            },
            "bus": _plain(self.bus),
            "query": _plain(self.query),
            "http": _plain(self.http),
        }


_KEYS = {"duration": "took", "lateness": "late"}
"""Keys of the `stats` reply for counters whose attribute has another name."""


def lost_log_records() -> int:
    """Return how many log records could not be written, as on a full disk."""
    return sum(getattr(handler, "lost", 0) for handler in logging.getLogger().handlers)


def _plain(part: PollStats | BusStats | QueryStats | HttpStats) -> dict[str, object]:
    return {
        _KEYS.get(name, name): _plain_value(getattr(part, name)) for name in type(part).__slots__
    }


def _plain_value(value: object) -> object:
    if isinstance(value, Histogram):
        return value.as_map()
    if isinstance(value, Counter) and value and isinstance(next(iter(value)), tuple):
        nested: dict[str, dict[str, int]] = {}
        for (first, second), count in value.items():
            nested.setdefault(first, {})[second] = count
        return nested
    return dict(value) if isinstance(value, Counter) else value
