"""Kills a server from time to time, and restarts it on the same port."""

from __future__ import annotations

from collections.abc import Sequence

from zinfo.demo.servers import EmbeddedServer

FIRST_KILL = 4.0
"""Seconds until the first kill."""

DOWN_SECONDS = 2.5
"""Seconds from a kill to the restart."""

KILL_INTERVAL = 14.0
"""Seconds from one kill to the next."""


class Outages:
    """Kills and restarts servers one after the other.

    Args:
        servers: the second one is killed first: it has no replica that its loss would affect.
    """

    def __init__(self, servers: Sequence[EmbeddedServer]) -> None:
        self._victims = [*servers[1:], servers[0]]
        self._next_kill = FIRST_KILL
        self._down: dict[EmbeddedServer, float] = {}

    def step(self, elapsed: float) -> None:
        """Kill and restart the servers that are due.

        Args:
            elapsed: seconds since the start.
        """
        for server in self._victims:
            if server.running:
                self._down.pop(server, None)
            elif elapsed >= self._down.setdefault(server, elapsed + DOWN_SECONDS):
                self._down[server] = elapsed + DOWN_SECONDS  # in case it does not start
                server.start()
        if elapsed >= self._next_kill:
            self._next_kill = elapsed + KILL_INTERVAL
            victim = self._victims.pop(0)
            self._victims.append(victim)
            victim.kill()
