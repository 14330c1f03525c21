"""Changing load: each server is busy for a while, then gets a burst, then is idle."""

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
"""Number of keys that are read; a few of them often, most of them rarely."""

WARM_KEYS = 150
"""How many of the most read keys are set when a server is empty."""

_TICK = 0.1  # seconds from one batch of commands to the next
_RETRY_SECONDS = 0.2  # before the next attempt after an error
_JOIN_SECONDS = 3.0  # for a thread to end; above the timeout of a reply
_MAX_VALUE = 1500  # bytes
_MAX_TTL = 15  # seconds
_WARM_TTL = 30  # seconds


class Phase(NamedTuple):
    """A period of constant load.

    Attributes:
        name: for people.
        seconds: duration.
        rate: commands per second.
        clients: number of connections.
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
"""The phases, in a cycle."""

CYCLE = sum(phase.seconds for phase in PHASES)
"""Duration of a cycle in seconds."""

_OFFSETS = (0.0, 8.0, 12.0)  # seconds into the cycle at which each server starts


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
    """Sends commands to each server, in a thread per server. A context manager.

    Args:
        servers: get the load.
    """

    def __init__(self, servers: Sequence[EmbeddedServer]) -> None:
        self._stop = threading.Event()
        began = time.monotonic()
        self._threads = [
            threading.Thread(
                target=_Loader(index, server, began, self._stop).run,
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
        self._stop.set()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)


class _Loader:
    """Puts load on one server, also while that is down."""

    def __init__(
        self, index: int, server: EmbeddedServer, began: float, stop: threading.Event
    ) -> None:
        self._index = index
        self._server = server
        self._began = began
        self._stop = stop
        self._clients: list[redis.Redis] = []
        self._random = random.Random(index)
        self._skew = 4 + 2 * (index % 3)  # the higher, the fewer keys get most of the reads
        self._due = 0.0

    def run(self) -> None:
        """Send commands until `stop` is set."""
        wait = 0.0
        while not self._stop.wait(wait):
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
        self._due += phase.rate * _TICK
        count, self._due = int(self._due), self._due % 1
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
        rng = self._random
        key = f"item:{int(KEYS * rng.random() ** self._skew)}"
        if self._server.primary is not None or rng.random() < 0.6:
            return ("GET", key)
        match rng.randrange(8):
            case 0:
                return ("INCR", f"count:{rng.randrange(20)}")
            case 1:
                return ("HSET", "users", f"user:{rng.randrange(500)}", rng.random().hex())
            case 2:
                return ("LPUSH", "queue", key)
            case 3:
                return ("LTRIM", "queue", 0, 200)
            case _:
                size, ttl = rng.randrange(50, _MAX_VALUE), rng.randrange(3, _MAX_TTL)
                return ("SET", key, "x" * size, "EX", ttl)

    def _resize(self, count: int) -> None:
        """Connect or close clients until there are `count`."""
        while len(self._clients) > count:
            with contextlib.suppress(redis.RedisError):
                self._clients.pop().close()
        while len(self._clients) < count:
            client = self._server.client()
            self._clients.append(client)
            client.ping()
