"""Lateness of polls with as many shards as one process is designed for, also under load."""

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

_RATE = 10_000  # polls a second: 10,000 shards, each polled once a second
_SLOWER = 3  # factor of that interval while a client subscribes to all deltas
_SETTLE = 1.0  # the most seconds before a round: sorting the last times blocks the daemon
_REQUESTS = 3  # requests for the whole INFO of all shards


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure lateness without clients, with queries, and with a subscriber."""
    interval = scale.many / _RATE if scale.many >= _RATE else scale.interval(scale.many)
    figures = FigureList(wanted)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.many))
        log_progress(f"punctuality: starting {scale.many} shards, each every {interval:g} s")
        daemon = start_measured(stack, "timed_daemon", servers.urls, scale.many, interval)
        figures.add("f1", daemon.started["seconds"], daemon.started)
        figures.add("f2", daemon.started["most_connecting"])
        clients = start_query_clients(stack, daemon, rate=500)

        _observe(figures, "a", daemon, scale, interval)
        _query(figures, "d1", daemon, clients, scale)
        if "e" in wanted:
            late = _query_all(daemon, scale.many)
            figures.add("e", late["max"], late)
        if not {"b1", "b2", "d2"} & set(wanted):
            return figures.all

        subscriber = stack.enter_context(
            Worker("raw_subscriber", gevent=False, bus=daemon.started["bus"])
        )
        subscriber.call("subscribe", topics=["z1/delta/"])
        daemon.call("change_interval", interval=_SLOWER * interval)
        _observe(figures, "b", daemon, scale, 1.5 * _SLOWER * interval)
        _query(figures, "d2", daemon, clients, scale)
    return figures.all


def _observe(figures: FigureList, letter: str, daemon: Worker, scale: Scale, settle: float) -> None:
    """Measure the 99th percentile of lateness in each round, and its maximum over all rounds."""
    time.sleep(settle)  # until the polls are spread evenly
    seconds, after = scale.seconds, _settle(scale)
    reports = [daemon.call("observe", seconds=seconds, after=after) for _ in range(scale.rounds)]
    figures.add(f"{letter}1", [one["p99"] for one in reports], {"rounds": reports})
    figures.add(f"{letter}2", max(one["max"] for one in reports))


def _query(figures: FigureList, number: str, daemon: Worker, clients: Worker, scale: Scale) -> None:
    settle = _settle(scale)
    p99, seen = measure_queries(daemon, clients, scale.seconds, rounds=scale.rounds, settle=settle)
    figures.add(number, p99, {"rounds": seen})


def _settle(scale: Scale) -> float:
    return min(_SETTLE, scale.seconds)


def _query_all(daemon: Worker, shards: int) -> dict[str, Any]:
    with Client(daemon.started["query"], timeout=60) as client:
        daemon.call("reset")
        for _ in range(_REQUESTS):
            if len(client.get_infos()) != shards:
                raise RuntimeError("the reply does not have all shards")
        return daemon.call("report")


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
