"""CPU time of a Mirror, and of the daemon that it follows, compared with a plain poller."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from statistics import median
from typing import Any

from benchmarks.cores import Cores
from benchmarks.delivery import LostMessagesError, micros
from benchmarks.figures import Figure, Pair, compared, short
from benchmarks.mirror_feed import check, feed
from benchmarks.progress import log_progress
from benchmarks.queries import FIELD
from benchmarks.script import Scale, main
from benchmarks.servers import Servers, loaded_servers
from benchmarks.worker import Worker, start_measured

NUMBERS = ("2b", "m1", "m2", "m3")

_FOLLOW_TIMEOUT = 60.0  # seconds for a Mirror to have the newest delta after a round


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure a daemon with a Mirror, and Mirrors that are fed with recorded deltas."""
    costs: dict[str, list[dict[str, Any]]] = {number: [] for number in wanted}
    plain: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        poller = _start(stack, "plain_poller", servers, scale)
        daemon = _start(stack, "zinfo_daemon", servers, scale) if "2b" in wanted else None
        fed = _Fed(stack, servers, scale) if {"m1", "m2", "m3"}.intersection(wanted) else None
        client = stack.enter_context(Worker("mirror", gevent=False)) if daemon else None
        for number in range(1, scale.rounds + 1):
            plain.append(poller.call("measure", seconds=scale.seconds))
            done = {"plain": micros(plain[-1])}
            if daemon is not None and client is not None:
                costs["2b"].append(_followed_daemon(daemon, client, scale.seconds))
                done["2b"] = micros(costs["2b"][-1])
            if fed is not None:
                for target, cost in fed.measure(wanted).items():
                    costs[target].append(cost)
                    done[target] = _value(target, cost)
            words = ", ".join(f"{name} {value:.1f}" for name, value in done.items())
            log_progress(f"mirror_cost: round {number} of {scale.rounds}: {words}")
    return [_figure(number, costs[number], plain, servers) for number in wanted]


def _start(stack: contextlib.ExitStack, module: str, servers: Servers, scale: Scale) -> Worker:
    interval = scale.interval(scale.shards)
    return start_measured(stack, module, servers.urls, scale.shards, interval)


def _figure(
    number: str, costs: list[dict[str, Any]], plain: list[dict[str, Any]], servers: Servers
) -> Figure:
    values = [_value(number, cost) for cost in costs]
    if number == "m3":
        each = median(1e6 * cost["cpu"] / cost["deltas"] for cost in costs)
        detail = {"turns": costs, "servers": servers.facts}
        return Figure(number, values, note=f"{short(each)} us of CPU a delta", detail=detail)
    each = Pair(values, list(map(micros, plain)))
    return compared(number, each, "us", servers=servers.facts, turns=costs, plain=plain)


def _value(number: str, cost: dict[str, Any]) -> float:
    """Return microseconds of CPU a poll or a delta; for m3, deltas a second."""
    if number == "m3":
        return float(cost["deltas"] / cost["until_followed"])
    return micros(cost) if number == "2b" else 1e6 * float(cost["cpu"]) / int(cost["deltas"])


def _followed_daemon(daemon: Worker, mirror: Worker, seconds: float) -> dict[str, Any]:
    """Let a daemon poll with a Mirror of everything; return the cost to the daemon."""
    mirror.call("join", endpoint=daemon.started["query"])
    cost = daemon.call("measure", seconds=seconds)
    followed = mirror.call("follow", revisions=daemon.call("revisions"), seconds=_FOLLOW_TIMEOUT)
    if followed["missing"] or followed["counters"]["resyncs"]:
        raise LostMessagesError(f"the Mirror could not follow: {followed}")
    looked = check(mirror)
    mirror.call("leave")
    return {**cost, "mirror": followed, "look": looked}


class _Fed:
    """Mirrors that are fed with recorded deltas."""

    def __init__(self, stack: contextlib.ExitStack, servers: Servers, scale: Scale) -> None:
        self._seconds = scale.seconds
        self._deltas = int(scale.rate * scale.seconds)
        self._feeder = stack.enter_context(
            Worker(
                "feeding_daemon",
                urls=servers.urls,
                shards=scale.shards,
                interval=scale.interval(scale.shards),
            )
        )
        self._feeder.call("record", messages=scale.snapshots)
        self._mirror = stack.enter_context(Worker("mirror", gevent=False, cores=Cores.MEASURED))

    def measure(self, wanted: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return the costs of one round by target."""
        costs: dict[str, dict[str, Any]] = {}
        self._mirror.call("join", endpoint=self._feeder.started["query"])
        if "m1" in wanted:
            costs["m1"] = self._feed(self._seconds)
        if "m3" in wanted:
            costs["m3"] = self._feed(0.0)
        looked = check(self._mirror)
        self._mirror.call("leave")
        for cost in costs.values():
            cost["look"] = looked
        if "m2" in wanted:
            self._mirror.call("join", endpoint=self._feeder.started["query"], listen=FIELD)
            costs["m2"] = self._feed(self._seconds)
            costs["m2"]["look"] = check(self._mirror)
            self._mirror.call("leave")
        return costs

    def _feed(self, seconds: float) -> dict[str, Any]:
        return feed(self._feeder, self._mirror, self._deltas, seconds)


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
