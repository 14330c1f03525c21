"""zinfo's own counters: plain integers, added to where things happen, read by the `stats` query."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

LATENESS_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds in seconds of the histogram of how late polls start."""
DURATION_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds in seconds of the histogram of how long polls take."""


@dataclass(slots=True)
class Histogram:
    """Values counted by how large they are.

    Attributes:
        bounds: ascending.
        counts: for each bound, how many values were at most that, but more than the bound before;
            and the last for those that were more than all of them.
        sum: of all values.
    """

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.sum += value
        self.counts[bisect_left(self.bounds, value)] += 1

    def as_map(self) -> dict[str, int]:
        """Return the counts by bound, as text; the last one's is `more`."""
        names = [*(f"{bound:g}" for bound in self.bounds), "more"]
        return dict(zip(names, self.counts, strict=True))


@dataclass(slots=True)
class PollStats:
    """What the poller did.

    Attributes:
        replies: INFO replies stored.
        failures: failed polls by reason.
        connects: connections made.
        connecting: connections that are being made now.
        most_connecting: the most of them at the same time, since the start.
        refreshes: polls that a query asked for.
        duration: seconds from a request to its stored reply.
        wanted_seconds: sum of the intervals that polls were scheduled after.
        lateness: seconds from the time at which a poll was due to its start.
        latest_seconds: the largest of those since the daemon started.
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
    """What the bus did.

    Attributes:
        messages: messages handed to ZeroMQ, by kind.
        bytes: bytes of their bodies.
        errors: messages that ZeroMQ would not take.
        subscribers: connections to the bus now.
        topics: topics subscribed now.
        refused: subscriptions that the client may not have or that are over the limit, and frames
            from subscribers that are none, dropped.
        refused_by: the same by the client's name, where there are keys.
        cut: connections that were ended, as their client subscribed more than it may.
        sockets: of the bus: one, and one for each further set of rights that clients have.
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
    """What the query endpoint did.

    Attributes:
        requests: requests answered, by operation.
        errors: error replies, by code.
        results: both, by operation and result: `ok` or the error's code.
        dropped: messages that could not be answered, by why.
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
        answers: by path and status.
        streams: that are open now.
        dropped: messages that clients lost who read their stream too slowly.
        cut: samples of metrics that were over the limit, and left out.
    """

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    streams: int = 0
    dropped: int = 0
    cut: int = 0


@dataclass(slots=True)
class Stats:
    """All counters of one daemon.

    Attributes:
        started: monotonic clock at the start, in seconds.
        hub_lag: how late the event loop last was, in seconds.
        hub_lag_max: the largest since the start.
        stretch: how many times as long as wanted polling intervals now take; 1 is in time.
        saturated: whether that has been so much, for so long, that more is due than can be done.
        restarts: deaths of supervised parts, by part.
        faults: unexpected exceptions of zinfo's own, by part; deaths are among them.
        files_open: file descriptors in use, when they were last counted.
        files_limit: how many there may be.
        short_of_files: whether nearly all of them are in use.
        access: connections of clients with a CURVE key: let `in`, `refused`.
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
        """Count that a supervised part ended and is started again."""
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
"""Keys of the `stats` reply whose counters are called otherwise in this module."""


def lost_log_records() -> int:
    """Return how many log records could not be written: a full disk is no reason to stop."""
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
