"""zinfo's own counters: plain integers, added to where things happen, read by the `stats` query."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

LATE_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds by which polls are counted: those at most that late, but more than the bound before."""


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
        reply_seconds: sum of the times from request to stored reply.
        wanted_seconds: sum of the intervals that polls were scheduled after.
        late_seconds: sum of the times by which polls started after they were due.
        latest_seconds: the largest of those, since the start.
        late: polls by how late they started: one count for each of `LATE_BOUNDS`, and the last
            for those that were later than all of them.
        errors: unexpected exceptions in callbacks of the poller.
    """

    replies: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    connects: int = 0
    connecting: int = 0
    most_connecting: int = 0
    refreshes: int = 0
    reply_seconds: float = 0.0
    wanted_seconds: float = 0.0
    late_seconds: float = 0.0
    latest_seconds: float = 0.0
    late: list[int] = field(default_factory=lambda: [0] * (len(LATE_BOUNDS) + 1))
    errors: int = 0

    def begins(self, late: float) -> None:
        """Count a poll that starts so many seconds after it was due."""
        self.late_seconds += late
        self.latest_seconds = max(self.latest_seconds, late)
        self.late[bisect_left(LATE_BOUNDS, late)] += 1


@dataclass(slots=True)
class BusStats:
    """What the bus did.

    Attributes:
        messages: messages handed to ZeroMQ, by kind.
        bytes: bytes of their bodies.
        errors: messages that ZeroMQ would not take.
        topics: topics subscribed now.
        refused: subscriptions over the limit and frames from subscribers that are none, dropped.
    """

    messages: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    errors: int = 0
    topics: int = 0
    refused: int = 0


@dataclass(slots=True)
class QueryStats:
    """What the query endpoint did.

    Attributes:
        requests: requests taken, by operation.
        errors: error replies, by code.
        dropped: messages that could not be answered, by why.
        seconds: sum of the times from request to reply.
    """

    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


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
            "log": {"lost": _lost_log_records()},
            "access": dict(self.access),
            "poll": _plain(self.poll),
            "bus": _plain(self.bus),
            "query": _plain(self.query),
        }


def _lost_log_records() -> int:
    # Counted by the handlers that can lose some: a full disk is no reason to stop.
    return sum(getattr(handler, "lost", 0) for handler in logging.getLogger().handlers)


def _plain(part: PollStats | BusStats | QueryStats) -> dict[str, object]:
    return {name: _plain_value(getattr(part, name)) for name in type(part).__slots__}


def _plain_value(value: object) -> object:
    if isinstance(value, list):
        return dict(zip([*(f"{bound:g}" for bound in LATE_BOUNDS), "more"], value, strict=True))
    return dict(value) if isinstance(value, Counter) else value
