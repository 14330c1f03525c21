"""Time of a query for all shards, compared with a plain XML-RPC server."""

from __future__ import annotations

import contextlib
import time
import xmlrpc.client
from collections.abc import Callable, Collection, Mapping, Sized
from statistics import median
from typing import Any, NamedTuple

from benchmarks.figures import Figure, Pair, compared
from benchmarks.progress import log_progress
from benchmarks.queries import FIELD
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured
from zinfo.client import Client

NUMBERS = ("7", "8", "8b")

_WORDS = {"7": "whole", "8": "one field", "8b": "one field by column"}
_RATE = 1000  # polls a second that go on meanwhile: 1,000 shards, each every second
_MIN_QUERIES = 3  # in a round; all shards are polled again before each query
_MIN_SECONDS = 1.0  # of a round; with few shards, more queries fit

Query = Callable[[], Sized]  # returns something for each shard


class Contender(NamedTuple):
    """One of the compared processes, and how it is queried."""

    worker: Worker
    queries: Mapping[str, Query]  # by number of the target
    shards: int
    interval: float

    @property
    def _pause(self) -> float:
        return 1.2 * self.interval

    def measure(self, number: str) -> tuple[float, float]:
        """Query a few times; return the milliseconds of wall-clock and of CPU time of one query.

        Polls that go on meanwhile add to the CPU time of the same process, so the smallest CPU
        time counts; of the wall-clock times, the median.
        """
        taken: list[tuple[float, float]] = []
        until = time.monotonic() + _MIN_SECONDS
        while len(taken) < _MIN_QUERIES or time.monotonic() < until:
            taken.append(self._measure_once(self.queries[number]))
        walls, cpus = zip(*taken, strict=True)
        return 1000 * median(walls), 1000 * min(cpus)

    def _measure_once(self, query: Query) -> tuple[float, float]:
        time.sleep(self._pause)  # part of the method: all shards are polled again
        cpu, began = self.worker.cpu(), time.monotonic()
        found = query()
        taken = time.monotonic() - began  # before `found` is freed, which takes time as well
        if len(found) != self.shards:
            raise RuntimeError(f"the reply has {len(found)} of {self.shards} shards")
        return taken, self.worker.cpu() - cpu


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the time from a query to its decoded reply."""
    times = {number: Pair() for number in wanted}
    cpu = {number: Pair() for number in wanted}
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        zinfo = _contender(stack, "zinfo_daemon", _zinfo, servers.urls, scale.shards)
        plain = _contender(stack, "plain_server", _plain, servers.urls, scale.shards)
        for round_number in range(1, scale.rounds + 1):
            for one in (zinfo, plain):
                one.worker.call("resume")
                for number in wanted:
                    values = one.measure(number)
                    for pair, value in zip((times[number], cpu[number]), values, strict=True):
                        (pair.ours if one is zinfo else pair.theirs).append(value)
                    log_progress(
                        f"query_many: round {round_number} of {scale.rounds}, {one.worker.name}, "
                        f"{_WORDS[number]}: {values[0]:.2f} ms"
                    )
                one.worker.call("pause")
    return [
        compared(number, times[number], "ms", cpu=cpu[number], servers=servers.facts)
        for number in wanted
    ]


def _contender(
    stack: contextlib.ExitStack,
    module: str,
    connect: Callable[[contextlib.ExitStack, str], Mapping[str, Query]],
    urls: list[str],
    shards: int,
) -> Contender:
    interval = shards / _RATE
    worker = start_measured(stack, module, urls, shards, interval)
    return Contender(worker, connect(stack, worker.started["query"]), shards, interval)


def _zinfo(stack: contextlib.ExitStack, endpoint: str) -> Mapping[str, Query]:
    client = stack.enter_context(Client(endpoint, timeout=30))

    def column() -> Sized:
        column = client.get_columns([FIELD])[FIELD]
        return column.values if column.valid is None else ()  # a server reports it in each INFO

    return {
        "7": client.get_infos,
        "8": lambda: client.get_infos(keys=[FIELD]),
        "8b": column,
    }


def _plain(stack: contextlib.ExitStack, url: str) -> Mapping[str, Query]:
    server: Any = stack.enter_context(xmlrpc.client.ServerProxy(url))

    def one_field() -> Sized:
        infos: Sized = server.get_infos([], [FIELD])
        return infos

    return {"7": lambda: server.get_infos([], []), "8": one_field, "8b": one_field}


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
