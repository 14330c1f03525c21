"""How long does it take to ask about all shards, beside a plain XML-RPC server?"""

from __future__ import annotations

import contextlib
import time
import xmlrpc.client
from collections.abc import Callable, Collection
from statistics import median
from typing import Any, NamedTuple

from benchmarks.cores import Cores
from benchmarks.figures import Figure, Pair, compared
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker
from zinfo.client import Client

NUMBERS = ("7", "8")

_KEYS: dict[str, list[str]] = {"7": [], "8": ["used_memory"]}
_RATE = 1000  # polls a second that go on meanwhile: 1,000 shards, each every second
_QUESTIONS = 3  # in a turn, at least; the shards are polled anew before each
_TURN = 1.0  # seconds; where few shards are polled anew soon, more questions fit

Ask = Callable[[list[str]], list[Any]]  # fields wanted, or none for all; returns all shards' INFO


class Answerer(NamedTuple):
    """One worker, and how it is asked."""

    worker: Worker
    ask: Ask
    shards: int
    interval: float

    @property
    def _pause(self) -> float:
        return 1.2 * self.interval

    def answer(self, number: str) -> tuple[float, float]:
        """Ask a few times; return the milliseconds that one took, and those of CPU of the worker.

        Polls that go on meanwhile take CPU time of the same process: of that the least counts.
        """
        taken: list[tuple[float, float]] = []
        until = time.monotonic() + _TURN
        while len(taken) < _QUESTIONS or time.monotonic() < until:
            taken.append(self._answer_once(_KEYS[number]))
        walls, cpus = zip(*taken, strict=True)
        return 1000 * median(walls), 1000 * min(cpus)

    def _answer_once(self, keys: list[str]) -> tuple[float, float]:
        time.sleep(self._pause)  # of the method: all was polled anew
        cpu, began = self.worker.cpu(), time.monotonic()
        infos = self.ask(keys)
        taken = time.monotonic() - began  # with all in hand: to let go of it takes time, too
        if len(infos) != self.shards:
            raise RuntimeError(f"{len(infos)} of {self.shards} shards: nothing is comparable")
        return taken, self.worker.cpu() - cpu


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the time from a question to its decoded answer."""
    times = {number: Pair() for number in wanted}
    cpu = {number: Pair() for number in wanted}
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        zinfo = _answerer(stack, "zinfo_daemon", _zinfo, servers.urls, scale.shards)
        plain = _answerer(stack, "plain_server", _plain, servers.urls, scale.shards)
        for turn in range(1, scale.rounds + 1):
            for one in (zinfo, plain):
                one.worker.call("resume")
                for number in wanted:
                    values = one.answer(number)
                    for pair, value in zip((times[number], cpu[number]), values, strict=True):
                        (pair.ours if one is zinfo else pair.theirs).append(value)
                    log_progress(
                        f"query_many: round {turn} of {scale.rounds}, {one.worker.name}, "
                        f"{'one field' if _KEYS[number] else 'whole'}: {values[0]:.1f} ms"
                    )
                one.worker.call("pause")
    return [
        compared(number, times[number], "ms", cpu=cpu[number], servers=servers.facts)
        for number in wanted
    ]


def _answerer(
    stack: contextlib.ExitStack,
    module: str,
    connect: Callable[[contextlib.ExitStack, str], Ask],
    urls: list[str],
    shards: int,
) -> Answerer:
    interval = shards / _RATE
    worker = stack.enter_context(
        Worker(module, cores=Cores.MEASURED, urls=urls, shards=shards, interval=interval)
    )
    return Answerer(worker, connect(stack, worker.started["query"]), shards, interval)


def _zinfo(stack: contextlib.ExitStack, endpoint: str) -> Ask:
    client = stack.enter_context(Client(endpoint, timeout=30))
    return lambda keys: client.get_infos(keys=keys)


def _plain(stack: contextlib.ExitStack, url: str) -> Ask:
    server = stack.enter_context(xmlrpc.client.ServerProxy(url))

    def ask(keys: list[str]) -> list[Any]:
        infos = server.get_infos([], keys)
        assert isinstance(infos, list)
        return infos

    return ask


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
