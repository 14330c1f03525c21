"""The time from a poll's reply to the arrival of its delta at a subscriber."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from benchmarks.figures import Figure, FigureList
from benchmarks.query_load import measure_queries, start_query_clients
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured

NUMBERS = ("c", "d3")

_RATE = 1000  # polls a second: 1,000 shards, each every second


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure from the time stamp of a reply to the arrival of its delta."""
    figures = FigureList(wanted)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        daemon = start_measured(
            stack, "timed_daemon", servers.urls, scale.shards, scale.shards / _RATE
        )
        subscriber = stack.enter_context(
            Worker("raw_subscriber", gevent=False, bus=daemon.started["bus"], timed=True)
        )
        subscriber.call("subscribe", topics=["z1/delta/"])
        daemon.call("observe", seconds=1.5 * scale.shards / _RATE)
        clients = start_query_clients(stack, daemon, rate=500)
        p99, details, delays = [], [], []
        for _ in range(scale.rounds):
            subscriber.call("take")
            late = daemon.call("observe", seconds=scale.seconds)
            alone = _delays(subscriber.call("take")["delays"])
            (time,), (detail,) = measure_queries(daemon, clients, scale.seconds)
            beside = _delays(subscriber.call("take")["delays"])
            p99.append(time)
            details.append(detail)
            delays.append({"alone": alone, "beside_queries": beside, "lateness": late})
        worst = [max(each["alone"]["p99"], each["beside_queries"]["p99"]) for each in delays]
        figures.add("c", worst, {"rounds": delays})
        figures.add("d3", p99, {"rounds": details})
    return figures.all


def _delays(delays: list[float]) -> dict[str, Any]:
    delays = sorted(delays)
    count = len(delays)
    places = {"p50": count // 2, "p99": count * 99 // 100, "max": count - 1}
    return {"messages": count, **{name: 1000 * delays[at] for name, at in places.items()}}


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
