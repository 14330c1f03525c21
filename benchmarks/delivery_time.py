"""How soon does a subscriber have what a poll found?"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from benchmarks.behaviour import Figures, asked, asking
from benchmarks.cores import Cores
from benchmarks.figures import Figure
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.side import Side

NUMBERS = ("c", "d3")

_RATE = 1000  # polls a second: 1,000 shards, each every second


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure from the stamp of a reply's arrival to the subscriber's having its delta."""
    figures = Figures(wanted)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        daemon = stack.enter_context(
            Side(
                "timed_daemon",
                cores=Cores.MEASURED,
                urls=servers.urls,
                shards=scale.shards,
                interval=scale.shards / _RATE,
            )
        )
        listener = stack.enter_context(
            Side("listener", gevent=False, bus=daemon.started["bus"], timed=True)
        )
        listener.do("subscribe", topics=["z1/delta/"])
        daemon.do("watch", seconds=1.5 * scale.shards / _RATE)
        asker = asking(stack, daemon, rate=500)
        p99, answers, delays = [], [], []
        for _ in range(scale.rounds):
            listener.do("take")
            late = daemon.do("watch", seconds=scale.seconds)
            alone = _delays(listener.do("take")["delays"])
            (time,), (seen,) = asked(daemon, asker, scale.seconds)
            beside = _delays(listener.do("take")["delays"])
            p99.append(time)
            answers.append(seen)
            delays.append({"alone": alone, "beside_queries": beside, "lateness": late})
        worst = [max(each["alone"]["p99"], each["beside_queries"]["p99"]) for each in delays]
        figures.add("c", worst, {"rounds": delays})
        figures.add("d3", p99, {"rounds": answers})
    return figures.all


def _delays(delays: list[float]) -> dict[str, Any]:
    delays = sorted(delays)
    count = len(delays)
    places = {"p50": count // 2, "p99": count * 99 // 100, "max": count - 1}
    return {"messages": count, **{name: 1000 * delays[at] for name, at in places.items()}}


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
