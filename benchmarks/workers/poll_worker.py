"""What all workers that poll have in common: shards, and turns in which they are polled."""

from __future__ import annotations

import abc
import random
from typing import Any

import gevent
import gevent.event
from typing_extensions import override

from benchmarks.worker_loop import Handlers, Meter, memory

_LEAST_WARM_UP = 0.2  # seconds
_LOOK = 0.05  # seconds between two looks at whether all is quiet


class Poller(abc.ABC):
    """Polls shards while it is its turn.

    Attributes:
        polls: replies that were stored.
        interval: seconds from one poll of a shard to the next.
        memory_before: bytes that the process had when it had polled one shard only.
    """

    polls: int = 0
    interval: float = 1.0
    memory_before: int = 0

    @abc.abstractmethod
    def start(self, urls: list[str], shards: int, interval: float) -> object:
        """Make the shards and poll each once.

        Args:
            urls: the servers, each of which stands for every so many of the shards.
            shards: how many.
            interval: seconds from one poll of a shard to the next.
        """

    @abc.abstractmethod
    def resume(self) -> None:
        """Poll, each shard every interval; the shards' polls are spread evenly."""

    @abc.abstractmethod
    def pause(self) -> None:
        """Poll no more; returns when no poll is under way or due."""

    def measure(self, seconds: float) -> dict[str, Any]:
        """Poll for a while, and return what it cost.

        Args:
            seconds: what is measured, after a while of warming up.
        """
        self.resume()
        gevent.sleep(max(self.interval, _LEAST_WARM_UP))
        polls, meter = self.polls, Meter()
        gevent.sleep(seconds)
        cost = meter.read()
        polls = self.polls - polls
        self.pause()
        return {"polls": polls, **cost}

    def poll_until(self, polls: int) -> dict[str, Any]:
        """Poll until so many replies are stored, and return the memory of this process."""
        self.resume()
        while self.polls < polls:
            gevent.sleep(_LOOK)
        self.pause()
        return {"polls": self.polls, "memory_before": self.memory_before, **memory()}

    def handlers(self) -> Handlers:
        """Return what the parent can ask for."""
        return {
            "start": self.start,
            "measure": self.measure,
            "poll_until": self.poll_until,
            "resume": self.resume,
            "pause": self.pause,
        }


class GreenletPoller(Poller):
    """Polls with a greenlet a shard, as one would write it without zinfo."""

    def __init__(self) -> None:
        self._running = gevent.event.Event()
        self._shards = self._waiting = 0

    @abc.abstractmethod
    def connect(self, url: str) -> Any:
        """Return what polls one shard."""

    @abc.abstractmethod
    def poll(self, number: int, connection: Any) -> None:
        """Poll one shard once and store what comes."""

    @override
    def start(self, urls: list[str], shards: int, interval: float) -> object:
        self.interval, self._shards = interval, shards
        for number in range(shards):
            connection = self.connect(urls[number % len(urls)])
            self.poll(number, connection)
            gevent.spawn(self._run, number, connection)
            if not number:
                self.memory_before = memory()["memory"]
        return None

    @override
    def resume(self) -> None:
        self._running.set()

    @override
    def pause(self) -> None:
        self._running.clear()
        while self._waiting < self._shards:
            gevent.sleep(_LOOK)

    def _run(self, number: int, connection: Any) -> None:
        while True:
            self._waiting += 1
            self._running.wait()
            self._waiting -= 1
            gevent.sleep(self.interval * random.random())
            while self._running.is_set():
                self.poll(number, connection)
                self.polls += 1
                gevent.sleep(self.interval)
