"""Kills a server now and then, and starts it again where it was."""

from __future__ import annotations

from collections.abc import Sequence

from zinfo.demo.servers import EmbeddedServer

FIRST = 4.0
"""Seconds until the first kill."""

DOWN = 2.5
"""Seconds from a kill to the start."""

EVERY = 14.0
"""Seconds from one kill to the next."""


class Outages:
    """Decides who is killed and started when; `step` does it.

    Args:
        servers: killed in turn, the second one first: it is on its own, and the one whose loss
            disturbs no other.
    """

    def __init__(self, servers: Sequence[EmbeddedServer]) -> None:
        self._victims = [*servers[1:], servers[0]]
        self._next_kill = FIRST
        self._down: dict[EmbeddedServer, float] = {}

    def step(self, elapsed: float) -> None:
        """Do what is due.

        Args:
            elapsed: seconds since the show began.
        """
        for server in self._victims:
            if server.running:
                self._down.pop(server, None)
            elif elapsed >= self._down.setdefault(server, elapsed + DOWN):
                self._down[server] = elapsed + DOWN  # in case that it cannot start
                server.start()
        if elapsed >= self._next_kill:
            self._next_kill = elapsed + EVERY
            victim = self._victims.pop(0)
            self._victims.append(victim)
            victim.kill()
