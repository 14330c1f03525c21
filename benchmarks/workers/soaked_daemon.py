"""The daemon of a soak test: all of `zinfo serve`, and counts of its resources."""

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
_EVENTS = 1000  # stored events; the default of 10,000 would still grow in a run of some minutes


class SoakedDaemon:
    """Runs a daemon in this process."""

    def __init__(self) -> None:
        self._daemon: Daemon | None = None

    def start(self, urls: list[str], shards: int, interval: float) -> dict[str, Any]:
        """Start the daemon.

        Args:
            urls: URLs of the servers, over which the shards are distributed.
            shards: Number of shards.
            interval: Seconds between two polls of a shard.
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
        """Return the resources of this process, after garbage collection."""
        gc.collect()  # so that unreachable objects are not counted
        alive = sum(isinstance(one, greenlet.greenlet) and bool(one) for one in gc.get_objects())
        return {
            "memory": memory()["memory"],
            "blocks": sys.getallocatedblocks(),
            "files": fd_limits.count(),
            "greenlets": alive,
        }

    def now(self) -> dict[str, int]:
        """Return the memory, which takes no noticeable time."""
        return {"memory": memory()["memory"], "blocks": sys.getallocatedblocks()}

    def handlers(self) -> Handlers:
        """Return the commands of the parent."""
        return {"start": self.start, "report": self.report, "now": self.now}

    def stop(self) -> None:
        """Stop the daemon."""
        if self._daemon is not None:
            self._daemon.stop()


if __name__ == "__main__":
    soaked = SoakedDaemon()
    try:
        serve_commands(soaked.handlers())
    finally:
        soaked.stop()
