"""CPU time of a poll, with and without subscribers, compared with redis-py and a bare read."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from benchmarks.delivery import measure_with_subscriber, micros
from benchmarks.figures import Figure, Pair, compared
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured

NUMBERS = ("1", "2", "3", "4", "12", "13")

# For each target, the measured case and the case that it is compared with.
_COMPARED = {
    "1": ("zinfo", "plain"),
    "2": ("zinfo, deltas", "plain"),
    "3": ("zinfo, snapshots", "plain"),
    "4": ("zinfo", "bare"),
    "12": ("zinfo, many", "zinfo, few"),
    "13": ("zinfo, history", "zinfo, no history"),
}
_SLOW_INTERVAL = 1.0  # seconds between two polls of a shard with and without a history
_STEPS_TIME = 2.5  # factor of the measured seconds: a full run has two steps of a history
_TOPICS = {"zinfo, deltas": "delta", "zinfo, snapshots": "info"}

Measurement = Callable[[], dict[str, Any]]


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the CPU time of polls."""
    wanted = [number for number in NUMBERS if number in wanted]
    cases = list(dict.fromkeys(case for number in wanted for case in _COMPARED[number]))
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.many))
        log_progress(f"poll_cost: {servers.facts}")
        measurements = dict(_cases(stack, servers.urls, scale, cases))
        costs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for number in range(1, scale.rounds + 1):
            for case in cases:
                cost = measurements[case]()
                costs[case].append(cost)
                log_progress(
                    f"poll_cost: round {number} of {scale.rounds}, {case}: {micros(cost):.1f} us"
                    f" of CPU a poll, {cost['polls'] / cost['wall']:.0f} polls/s"
                )
    return [_figure(number, costs, servers.facts) for number in wanted]


def _figure(number: str, costs: dict[str, list[dict[str, Any]]], facts: object) -> Figure:
    cases = _COMPARED[number]
    each = Pair(*([micros(cost) for cost in costs[case]] for case in cases))
    turns = {case: costs[case] for case in cases}
    return compared(number, each, "us", servers=facts, turns=turns)


def _cases(
    stack: contextlib.ExitStack, urls: list[str], scale: Scale, cases: Collection[str]
) -> Iterator[tuple[str, Measurement]]:
    def start(module: str, shards: int) -> Worker:
        log_progress(f"poll_cost: starting {module} with {shards} shards")
        interval = scale.interval(shards)
        return start_measured(stack, module, urls, shards, interval)

    def measurement(worker: Worker) -> Measurement:
        return partial(worker.call, "measure", seconds=scale.seconds)

    if "plain" in cases:
        yield "plain", measurement(start("plain_poller", scale.shards))
    if "bare" in cases:
        yield "bare", measurement(start("bare_read", scale.shards))
    if {"zinfo", *_TOPICS}.intersection(cases):
        daemon = start("zinfo_daemon", scale.shards)
        yield "zinfo", measurement(daemon)
        subscriber = Worker("raw_subscriber", gevent=False, bus=daemon.started["bus"])
        stack.enter_context(subscriber)
        for case, kind in _TOPICS.items():
            yield case, partial(measure_with_subscriber, daemon, subscriber, kind, scale.seconds)
    if "zinfo, many" in cases:
        yield "zinfo, few", measurement(start("zinfo_daemon", scale.few))
        yield "zinfo, many", measurement(start("zinfo_daemon", scale.many))
    if "zinfo, history" in cases:
        seconds = _STEPS_TIME * scale.seconds
        for case, module in (
            ("zinfo, history", "zinfo_daemon"),
            ("zinfo, no history", "daemon_without_history"),
        ):
            worker = start_measured(stack, module, urls, scale.shards, _SLOW_INTERVAL)
            yield case, partial(worker.call, "measure", seconds=seconds)


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
