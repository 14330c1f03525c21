"""The daemon under a soak: all of `zinfo serve`, and a look at what it has."""

from __future__ import annotations

import gc
import logging
import sys
from typing import Any

import greenlet

from benchmarks.worker_loop import Handlers, memory, serve_commands
from zinfo.config import Config, ShardConfig
from zinfo.config.models import BusConfig, PollConfig, QueryConfig
from zinfo.daemon.daemon import Daemon
from zinfo.health import fd_limits

_FREE_PORT = "tcp://127.0.0.1:*"
_EVENTS = 1000  # held; the default of 10,000 would still be filling in a run of some minutes


class SoakedDaemon:
    """Runs a daemon in this process."""

    def __init__(self) -> None:
        self._daemon: Daemon | None = None

    def start(self, urls: list[str], shards: int, interval: float) -> dict[str, Any]:
        """Start it.

        Args:
            urls: the servers, each of which stands for every so many of the shards.
            shards: how many.
            interval: seconds from one poll of a shard to the next.
        """
        logging.basicConfig(level=logging.ERROR)
        named = tuple(
            ShardConfig.model_validate({"id": f"s{number:05}", "url": urls[number % len(urls)]})
            for number in range(shards)
        )
        config = Config(
            shards=named,
            poll=PollConfig(min_interval=interval, max_interval=interval),
            bus=BusConfig(endpoint=_FREE_PORT),
            query=QueryConfig(endpoint=_FREE_PORT, events_kept=_EVENTS),
        )
        self._daemon = Daemon(config)
        self._daemon.start()
        return {"query": self._daemon.router.endpoint}

    def report(self) -> dict[str, int]:
        """Return what this process has now."""
        gc.collect()  # so that what is counted is what something still needs
        alive = sum(isinstance(one, greenlet.greenlet) and bool(one) for one in gc.get_objects())
        return {
            "memory": memory()["memory"],
            "blocks": sys.getallocatedblocks(),
            "files": fd_limits.count(),
            "greenlets": alive,
        }

    def now(self) -> dict[str, int]:
        """Return what can be told without a pause."""
        return {"memory": memory()["memory"], "blocks": sys.getallocatedblocks()}

    def handlers(self) -> Handlers:
        """Return what the parent can ask for."""
        return {"start": self.start, "report": self.report, "now": self.now}

    def stop(self) -> None:
        """End it in order."""
        if self._daemon is not None:
            self._daemon.stop()


if __name__ == "__main__":
    soaked = SoakedDaemon()
    try:
        serve_commands(soaked.handlers())
    finally:
        soaked.stop()
