"""With as many shards as one process is made for: is each polled in time, and all else done too?"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from typing import Any

from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.query_load import measure_queries, start_query_clients
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured
from zinfo.client import Client

NUMBERS = ("f1", "f2", "a1", "a2", "d1", "e", "b1", "b2", "d2")

_EVERY = 10_000  # polls a second: 10,000 shards, each every second
_SELDOM = 3  # times that interval, where there is a subscriber to all deltas
_SETTLE = 1.0  # seconds before a round, at most: to sort the last one's times holds the daemon up
_QUESTIONS = 3  # for all shards whole


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure lateness with nobody there, with questions, and with a subscriber."""
    interval = scale.many / _EVERY if scale.many >= _EVERY else scale.interval(scale.many)
    figures = FigureList(wanted)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.many))
        log_progress(f"punctuality: starting {scale.many} shards, each every {interval:g} s")
        daemon = start_measured(stack, "timed_daemon", servers.urls, scale.many, interval)
        figures.add("f1", daemon.started["seconds"], daemon.started)
        figures.add("f2", daemon.started["most_connecting"])
        clients = start_query_clients(stack, daemon, rate=500)

        _watch(figures, "a", daemon, scale, interval)
        _ask(figures, "d1", daemon, clients, scale)
        if "e" in wanted:
            late = _ask_for_all(daemon, scale.many)
            figures.add("e", late["max"], late)
        if not {"b1", "b2", "d2"} & set(wanted):
            return figures.all

        subscriber = stack.enter_context(
            Worker("raw_subscriber", gevent=False, bus=daemon.started["bus"])
        )
        subscriber.call("subscribe", topics=["z1/delta/"])
        daemon.call("change_interval", interval=_SELDOM * interval)
        _watch(figures, "b", daemon, scale, 1.5 * _SELDOM * interval)
        _ask(figures, "d2", daemon, clients, scale)
    return figures.all


def _watch(figures: FigureList, letter: str, daemon: Worker, scale: Scale, settle: float) -> None:
    """Look at lateness: its 99th percentile in each round, and the latest poll of them all."""
    time.sleep(settle)  # until all are in step
    seconds, after = scale.seconds, _settle(scale)
    looks = [daemon.call("observe", seconds=seconds, after=after) for _ in range(scale.rounds)]
    figures.add(f"{letter}1", [look["p99"] for look in looks], {"rounds": looks})
    figures.add(f"{letter}2", max(look["max"] for look in looks))


def _ask(figures: FigureList, number: str, daemon: Worker, clients: Worker, scale: Scale) -> None:
    settle = _settle(scale)
    p99, seen = measure_queries(daemon, clients, scale.seconds, rounds=scale.rounds, settle=settle)
    figures.add(number, p99, {"rounds": seen})


def _settle(scale: Scale) -> float:
    return min(_SETTLE, scale.seconds)


def _ask_for_all(daemon: Worker, shards: int) -> dict[str, Any]:
    with Client(daemon.started["query"], timeout=60) as client:
        daemon.call("reset")
        for _ in range(_QUESTIONS):
            if len(client.get_infos()) != shards:
                raise RuntimeError("not all shards were told")
        return daemon.call("report")


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
