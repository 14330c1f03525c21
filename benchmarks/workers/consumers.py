"""Mirrors and subscribers that are replaced by new ones, and a check of the mirrors."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import Any

from benchmarks.worker_loop import serve_commands_blocking
from zinfo.client import Client, Mirror, Subscriber
from zinfo.errors import NoAnswerError, ZinfoError

_TIMEOUT = 0.2  # seconds for one update
_SAMPLE = 50  # shards that are compared before a mirror is closed
_EXAMPLES = 5  # problems that are reported in words


class SubscriberThread:
    """A subscriber that receives all updates in a thread of its own."""

    def __init__(self, endpoint: str) -> None:
        self.updates = self.tries = 0
        self._endpoint = endpoint
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.is_set():
            # After SIGSTOP this process has a backlog, and may itself exceed the timeout.
            with contextlib.suppress(NoAnswerError):
                self.tries += 1
                with Subscriber(self._endpoint, kinds=["delta", "event", "hb"]) as subscriber:
                    while not self._over.is_set():
                        self.updates += subscriber.recv(_TIMEOUT) is not None


class Consumers:
    """The consumers of this process."""

    def __init__(self) -> None:
        self._endpoint = ""
        self._mirrors: list[Mirror] = []
        self._subscribers: list[SubscriberThread] = []
        self._wrong = self._late = 0
        self._compared = 0
        self._examples: list[str] = []

    def start(self, endpoint: str, mirrors: int, subscribers: int) -> None:
        """Connect this many mirrors and subscribers to a daemon."""
        self._endpoint = endpoint
        self._mirrors = [Mirror(endpoint) for _ in range(mirrors)]
        self._subscribers = [SubscriberThread(endpoint) for _ in range(subscribers)]

    def replace_one(self) -> None:
        """Close one mirror and one subscriber, and start others in their place."""
        if self._mirrors:
            leaving = self._mirrors.pop(0)
            with contextlib.suppress(ZinfoError), Client(self._endpoint) as client:
                held = list(leaving)
                some = random.sample(held, min(_SAMPLE, len(held)))
                for entry in client.snapshot(some) if some else ():
                    self._agrees(leaving, entry)
            leaving.close()
            self._mirrors.append(Mirror(self._endpoint))
        if self._subscribers:
            leaver = self._subscribers.pop(0)
            leaver.close()
            self._late += max(0, leaver.tries - 1)
            self._subscribers.append(SubscriberThread(self._endpoint))

    def check(self, seconds: float) -> dict[str, Any]:
        """Compare every shard of every mirror with what the daemon has at the same revision.

        Args:
            seconds: Time within which all must be found equal, while there are no faults.
        """
        until = time.monotonic() + seconds
        for number, mirror in enumerate(self._mirrors):
            try:
                mirror.wait_ready(max(0.1, until - time.monotonic()))
            except NoAnswerError as error:
                self._count_wrong(f"mirror {number} is not current: {error}")
        with Client(self._endpoint) as client:
            ids = {shard["id"] for shard in client.shards()}
            numbered = list(enumerate(self._mirrors))
            missing = {(number, shard) for number, _ in numbered for shard in ids}
            while missing and time.monotonic() < until:
                # A shard that was polled between the two reads is compared in the next pass.
                for entry in client.snapshot(sorted({shard for _, shard in missing})):
                    for number, mirror in numbered:
                        pair = (number, entry["shard"])
                        if pair in missing and self._agrees(mirror, entry, also_state=True):
                            missing.discard(pair)
        for number, shard in sorted(missing)[:_EXAMPLES]:
            self._count_wrong(f"{shard} of mirror {number} not found equal within {seconds:g} s")
        for number, mirror in numbered:
            if set(mirror) != ids:
                self._count_wrong(f"mirror {number} holds other shards than the daemon")
        return {
            "wrong": self._wrong,
            "compared": self._compared,
            "examples": self._examples,
            "updates": sum(one.updates for one in self._subscribers),
            "late": self._late + sum(one.tries - 1 for one in self._subscribers if one.tries),
        }

    def _agrees(self, mirror: Mirror, entry: dict[str, Any], *, also_state: bool = False) -> bool:
        """Compare one shard; if both are at the same revision, all fields must be equal."""
        try:
            view = mirror.view(entry["shard"])
        except KeyError:
            return False
        if not view.fresh or view.revision != entry["revision"]:
            return False
        self._compared += 1
        if view.info != entry["info"]:
            self._count_wrong(f"{entry['shard']} at revision {view.revision} differs")
        return not also_state or view.state == entry["state"]

    def _count_wrong(self, problem: str) -> None:
        self._wrong += 1
        if len(self._examples) < _EXAMPLES:
            self._examples.append(problem)


if __name__ == "__main__":
    consumers = Consumers()
    serve_commands_blocking(
        {"start": consumers.start, "replace_one": consumers.replace_one, "check": consumers.check}
    )
