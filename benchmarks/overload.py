"""More polls due than one core can do: are polls shared evenly, and everything else on time?"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection
from statistics import mean
from typing import Any

from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.query_load import measure_queries, start_query_clients
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured
from zinfo.client import Client

NUMBERS = ("g1", "g2", "g3", "g4")

_INTERVAL = 0.1  # seconds; ten times as many polls as one core is made for
_SMOKE_INTERVAL = 0.001
_ADDED_WORK = 0.0005  # seconds of extra work for each poll
_SETTLE = 2  # lengths of a round until all intervals are stretched
_WINDOW = 4  # lengths of a round that are measured
_HEARTBEAT = 1.0  # seconds, the daemon's default


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure how evenly shards are polled, and the delay of heartbeats and queries."""
    figures = FigureList(wanted)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.many))
        log_progress(f"overload: starting {scale.many} shards")
        daemon = start_measured(
            stack, "timed_daemon", servers.urls, scale.many, scale.interval(scale.many)
        )
        bus = daemon.started["bus"]
        # The daemon must be the bottleneck, not the servers. So it gets more to do for each poll:
        # a subscriber to everything, and added work.
        everything = stack.enter_context(Worker("raw_subscriber", gevent=False, bus=bus))
        everything.call("subscribe", topics=["z1/delta/", "z1/info/"])
        beats = stack.enter_context(Worker("raw_subscriber", gevent=False, bus=bus))
        beats.call("subscribe", topics=["z1/hb/"])
        clients = start_query_clients(stack, daemon, rate=50)
        daemon.call("add_work", seconds=_ADDED_WORK)
        daemon.call(
            "change_interval", interval=_INTERVAL if scale.many >= 10_000 else _SMOKE_INTERVAL
        )
        daemon.call("observe", seconds=_SETTLE * scale.seconds)
        beats.call("take")
        before = daemon.call("revisions")
        p99, (queries,) = measure_queries(
            daemon, clients, max(_WINDOW * scale.seconds, 2.5 * _HEARTBEAT)
        )
        after = daemon.call("revisions")
        came = beats.call("take")["beats"]
        polls = [after[shard] - revision for shard, revision in before.items()]
        spread = {"fewest": min(polls), "mean": mean(polls), "most": max(polls)}
        log_progress(f"overload: polls of a shard: {spread}; {queries['lateness']}")
        figures.add("g1", min(polls) / mean(polls), {**spread, **queries["lateness"]})
        figures.add("g2", _latest(came))
        figures.add("g3", p99, queries)
        figures.add("g4", *_saturation_reports(daemon))
    return figures.all


def _latest(beats: list[float]) -> float:
    return 1000 * max(later - earlier - _HEARTBEAT for earlier, later in itertools.pairwise(beats))


def _saturation_reports(daemon: Worker) -> tuple[int, dict[str, Any]]:
    """Return in how many of three ways the daemon reports saturation, and the reports."""
    with Client(daemon.started["query"]) as client:
        stats = client.stats().get("saturation")
        events = [event.message for event in client.events().events if event.type == "saturated"]
    logged = [line for line in daemon.call("log_lines")["lines"] if "saturat" in line]
    reports = {"stats": stats, "events": events[:3], "log": logged[:3]}
    return sum(map(bool, (stats, events, logged))), reports


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
