"""Snapshots a second published to four subscribers, compared with a bare PUB."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from benchmarks.cores import Cores
from benchmarks.figures import Figure, Pair, compared
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker

NUMBERS = ("9",)

_SUBSCRIBERS = 4
_ROUNDS = 2  # rounds here for one of the other scripts: they are short
_TIMEOUT = 60.0  # seconds for the last message to arrive


def run(scale: Scale, _wanted: Collection[str]) -> list[Figure]:
    """Measure from the first snapshot published to the last one received by all subscribers."""
    rates, micros = Pair(), Pair()
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.few))
        daemon = stack.enter_context(
            Worker(
                "zinfo_daemon",
                cores=Cores.ANY,
                urls=servers.urls,
                shards=scale.few,
                interval=scale.interval(scale.few),
            )
        )
        daemon.call("record", messages=scale.snapshots)
        bare = stack.enter_context(Worker("bare_zmq", cores=Cores.ANY, reply=[]))
        subscribers = {
            worker: _subscribers(stack, worker.started["bus"]) for worker in (daemon, bare)
        }
        _, sizes = _publish(daemon, subscribers[daemon], scale.snapshots)
        rounds = _ROUNDS * scale.rounds
        for number in range(1, rounds + 1):
            for worker, rate, micro, options in (
                (daemon, rates.ours, micros.ours, {}),
                (bare, rates.theirs, micros.theirs, {"sizes": sizes}),
            ):
                cost, _ = _publish(worker, subscribers[worker], scale.snapshots, **options)
                rate.append(scale.snapshots / cost["until_received"])
                micro.append(1e6 * cost["cpu"] / scale.snapshots)
                log_progress(
                    f"publish_rate: round {number} of {rounds}, {worker.name}: "
                    f"{rate[-1]:.0f} snapshots/s"
                )
    return [compared("9", rates, "snapshots/s", cpu=micros, bytes=sizes)]


def _subscribers(stack: contextlib.ExitStack, bus: str) -> list[Worker]:
    subscribers = []
    for _ in range(_SUBSCRIBERS):
        subscriber = stack.enter_context(
            Worker("raw_subscriber", gevent=False, cores=Cores.ANY, bus=bus)
        )
        subscriber.call("subscribe", topics=["z1/info/"])
        subscribers.append(subscriber)
    return subscribers


def _publish(
    worker: Worker, subscribers: list[Worker], messages: int, **options: Any
) -> tuple[dict[str, float], list[int]]:
    """Publish once; returns the cost, and the sizes of a message's header and body in bytes."""
    for subscriber in subscribers:
        subscriber.send("count", messages=messages, seconds=_TIMEOUT)
    cost = worker.call("publish", messages=messages, **options)
    received = [subscriber.wait() for subscriber in subscribers]
    for one in received:
        if one["counts"].get("info") != messages:
            raise RuntimeError(f"{one['counts']} of {messages} messages were received")
    cost["until_received"] = max(one["at"] for one in received) - cost["began"]
    return cost, received[0]["last"][1:]


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
