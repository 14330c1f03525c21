"""Load that changes: each server is busy for a while, then hit by a burst, then left alone."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import redis

from zinfo.demo.servers import EmbeddedServer

KEYS = 3000
"""Different keys that are asked for; some of them often, most of them seldom."""

WARM_KEYS = 150
"""How many of them, those asked for most, are set when a server has none yet."""

_TICK = 0.1  # seconds from one batch of commands to the next
_RETRY_SECONDS = 0.2  # before a server that failed is tried again
_JOIN_SECONDS = 3.0  # for a thread to notice that it is over; above a reply's timeout
_MAX_VALUE = 1500  # bytes
_MAX_TTL = 15  # seconds
_WARM_TTL = 30  # seconds


class Phase(NamedTuple):
    """What is done to a server for a while.

    Attributes:
        name: for people.
        seconds: how long it lasts.
        rate: commands a second.
        clients: connections that they come over.
    """

    name: str
    seconds: float
    rate: int
    clients: int


PHASES = (
    Phase("busy", 5, 400, 6),
    Phase("burst", 2, 2500, 12),
    Phase("idle", 9, 2, 2),
)
"""One after another, then from the start again."""

CYCLE = sum(phase.seconds for phase in PHASES)
"""Seconds until everything repeats."""

_OFFSETS = (0.0, 8.0, 12.0)  # seconds into the cycle at which the servers start, in turn


def phase_at(index: int, elapsed: float) -> Phase:
    """Return the phase of a server.

    Args:
        index: which server, from 0.
        elapsed: seconds since the load began.
    """
    at = (elapsed + _OFFSETS[index % len(_OFFSETS)]) % CYCLE
    for phase in PHASES:
        if at < phase.seconds:
            return phase
        at -= phase.seconds
    return PHASES[-1]  # rounding


class Load:
    """One thread a server that sends commands. A context manager.

    Args:
        servers: who gets the load.
    """

    def __init__(self, servers: Sequence[EmbeddedServer]) -> None:
        self._over = threading.Event()
        began = time.monotonic()
        self._threads = [
            threading.Thread(
                target=_Loader(index, server, began, self._over).run,
                name=f"load of {server.ident}",
                daemon=True,
            )
            for index, server in enumerate(servers)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)


class _Loader:
    """Puts load on one server, whether it is there or not."""

    def __init__(
        self, index: int, server: EmbeddedServer, began: float, over: threading.Event
    ) -> None:
        self._index = index
        self._server = server
        self._began = began
        self._over = over
        self._clients: list[redis.Redis] = []
        self._chance = random.Random(index)
        self._taste = 4 + 2 * (index % 3)  # the higher, the fewer keys are asked for often
        self._owed = 0.0

    def run(self) -> None:
        """Send commands until it is over."""
        wait = 0.0
        while not self._over.wait(wait):
            started = time.monotonic()
            try:
                self._tick(phase_at(self._index, started - self._began))
                wait = max(0.0, started + _TICK - time.monotonic())
            except (redis.RedisError, OSError):  # it was killed, or is loading
                self._resize(0)
                wait = _RETRY_SECONDS
        self._resize(0)

    def _tick(self, phase: Phase) -> None:
        if not self._clients:
            self._warm_up()
        self._resize(phase.clients)
        self._owed += phase.rate * _TICK
        count, self._owed = int(self._owed), self._owed % 1
        share, more = divmod(count, len(self._clients))
        for position, client in enumerate(self._clients):
            if commands := share + (position < more):
                self._send(client, commands)

    def _warm_up(self) -> None:
        self._resize(1)
        if self._server.primary is None:
            with self._clients[0].pipeline(transaction=False) as pipeline:
                for number in range(WARM_KEYS):
                    pipeline.set(f"item:{number}", "x" * _MAX_VALUE, ex=_WARM_TTL)
                pipeline.execute()

    def _send(self, client: redis.Redis, commands: int) -> None:
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(commands):
                pipeline.execute_command(*self._command())
            pipeline.execute(raise_on_error=False)

    def _command(self) -> tuple[str | int, ...]:
        chance = self._chance
        key = f"item:{int(KEYS * chance.random() ** self._taste)}"
        if self._server.primary is not None or chance.random() < 0.6:
            return ("GET", key)
        match chance.randrange(8):
            case 0:
                return ("INCR", f"count:{chance.randrange(20)}")
            case 1:
                return ("HSET", "users", f"user:{chance.randrange(500)}", chance.random().hex())
            case 2:
                return ("LPUSH", "queue", key)
            case 3:
                return ("LTRIM", "queue", 0, 200)
            case _:
                size, ttl = chance.randrange(50, _MAX_VALUE), chance.randrange(3, _MAX_TTL)
                return ("SET", key, "x" * size, "EX", ttl)

    def _resize(self, count: int) -> None:
        """Have that many connected clients."""
        while len(self._clients) > count:
            with contextlib.suppress(redis.RedisError):
                self._clients.pop().close()
        while len(self._clients) < count:
            client = self._server.client()
            self._clients.append(client)
            client.ping()
