"""Common parts of all processes that poll: shards, and rounds in which polling is measured."""

from __future__ import annotations

import abc
import random
from typing import Any

import gevent
import gevent.event
from typing_extensions import override

from benchmarks.worker_loop import Handlers, Meter, memory

_MIN_WARM_UP = 0.2  # seconds of polling before a measurement
_CHECK_INTERVAL = 0.05  # seconds between two checks of the state


class PollWorker(abc.ABC):
    """Polls shards on command.

    Attributes:
        polls: Number of replies that were stored.
        interval: Seconds between two polls of a shard.
        memory_before: Memory of the process when it had polled only one shard, in bytes.
    """

    polls: int = 0
    interval: float = 1.0
    memory_before: int = 0

    @abc.abstractmethod
    def start(self, urls: list[str], shards: int, interval: float) -> object:
        """Create the shards and poll each once.

        Args:
            urls: URLs of the servers, over which the shards are distributed.
            shards: Number of shards.
            interval: Seconds between two polls of a shard.
        """

    @abc.abstractmethod
    def resume(self) -> None:
        """Start polling each shard every interval, with the polls spread evenly."""

    @abc.abstractmethod
    def pause(self) -> None:
        """Stop polling; returns when no poll is in progress or due."""

    def measure(self, seconds: float) -> dict[str, Any]:
        """Poll for a while, and return the cost.

        Args:
            seconds: Measured time, after a short warm-up.
        """
        self.resume()
        gevent.sleep(max(self.interval, _MIN_WARM_UP))
        polls, meter = self.polls, Meter()
        gevent.sleep(seconds)
        cost = meter.read()
        polls = self.polls - polls
        self.pause()
        return {"polls": polls, **cost}

    def poll_until(self, polls: int) -> dict[str, Any]:
        """Poll until this many replies are stored, and return the memory of this process."""
        self.resume()
        while self.polls < polls:
            gevent.sleep(_CHECK_INTERVAL)
        self.pause()
        return {"polls": self.polls, "memory_before": self.memory_before, **memory()}

    def handlers(self) -> Handlers:
        """Return the commands of the parent."""
        return {
            "start": self.start,
            "measure": self.measure,
            "poll_until": self.poll_until,
            "resume": self.resume,
            "pause": self.pause,
        }


class GreenletPoller(PollWorker):
    """Polls with one greenlet for each shard, as one would write it without zinfo."""

    def __init__(self) -> None:
        self._running = gevent.event.Event()
        self._shards = self._waiting = 0

    @abc.abstractmethod
    def connect(self, url: str) -> Any:
        """Return the connection by which a shard is polled."""

    @abc.abstractmethod
    def poll(self, number: int, connection: Any) -> None:
        """Poll one shard once and store the reply."""

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
            gevent.sleep(_CHECK_INTERVAL)

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
