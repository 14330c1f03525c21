"""`zinfo serve` as it is, with a stop-watch: for late polls, and for turns of the event loop."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

import gevent
import gevent.event
from typing_extensions import override

import zinfo.daemon.daemon
import zinfo.poll.poller
from benchmarks.worker_loop import serve_commands
from benchmarks.workers.timed_daemon import LATE, LogRecorder, TimedTimetable
from zinfo.cli.app import cli
from zinfo.config import Config
from zinfo.daemon.daemon import Daemon
from zinfo.shards.shard import ShardState

_LOOK = 0.02  # seconds between two looks at what is waited for
_END = 5.0  # seconds for the daemon to end
_READ = (
    "configuration read again",
    "configuration not taken",
)  # in the log, at the end of a reload

_daemons: list[Daemon] = []
_made = gevent.event.Event()


class KnownDaemon(Daemon):
    """The daemon that the command line makes."""

    @override
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        _daemons.append(self)
        _made.set()


class IterationTimer:
    """Times the turns of the event loop by the CPU time of its thread.

    Attributes:
        longest: the longest turn in seconds of CPU time, which other processes do not add to.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.thread_time()
        loop: Any = gevent.get_hub().loop  # its stubs lack this
        self._watcher = loop.check()
        self._watcher.start(self._turned)

    def reset(self) -> None:
        """Begin to look anew."""
        self.longest = 0.0
        self._last = time.thread_time()

    def _turned(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now


class ServedDaemon:
    """Runs the command line in a greenlet, and looks at what it does."""

    def __init__(self) -> None:
        self._log = LogRecorder()
        self._iterations = IterationTimer()
        self._command: gevent.Greenlet[..., Any] | None = None

    def start(self, config: str) -> dict[str, Any]:
        """Start the daemon with a configuration file, and say where it is."""
        vars(zinfo.poll.poller).update(Timetable=TimedTimetable)
        vars(zinfo.daemon.daemon).update(Daemon=KnownDaemon)
        self._command = gevent.spawn(cli, ["serve", "--config", config], standalone_mode=False)
        if not _made.wait(_END):
            raise RuntimeError("the daemon did not start")
        for handler in logging.getLogger().handlers:
            handler.setLevel(logging.CRITICAL)  # what is read again is read dozens of times
        logging.getLogger("zinfo").addHandler(self._log)
        return {
            "query": self._daemon.router.endpoint,
            "bus": self._daemon.bus.endpoint,
            "http": [door.endpoint for door in self._daemon.doors],
        }

    @property
    def _daemon(self) -> Daemon:
        return _daemons[0]

    def up(self, shards: int, seconds: float) -> dict[str, bool]:
        """Wait until that many shards are live and all of them are up."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            live = self._daemon.publisher.get_live_shards()
            if len(live) == shards and all(one.state is ShardState.UP for one in live):
                return {"up": True}
            gevent.sleep(_LOOK)
        return {"up": False}

    def poll(self, shard: str) -> None:
        """Poll a shard, and wait for the end of that."""
        done = self._daemon.poller.refresh(shard, 0.0)
        if done is not None:
            done.wait(_END)

    def reloads(self) -> int:
        """Return how often the configuration was read again."""
        return sum(line.startswith(_READ) for line in list(self._log.lines))

    def reload(self, seconds: float) -> dict[str, float]:
        """Send the daemon a SIGHUP, and wait until the configuration was read again."""
        before, began = self.reloads(), time.monotonic()
        os.kill(os.getpid(), signal.SIGHUP)
        while self.reloads() == before:
            if time.monotonic() - began > seconds:
                raise RuntimeError("the configuration was not read again")
            gevent.sleep(_LOOK)
        return {"seconds": time.monotonic() - began}

    def reset(self) -> None:
        """Begin to look anew."""
        del LATE[:]
        self._iterations.reset()

    def report(self) -> dict[str, Any]:
        """Return the latest poll and the longest turn since `reset`, in milliseconds."""
        return {
            "polls": len(LATE),
            "poll": 1000 * max(LATE, default=0.0),
            "turn": 1000 * self._iterations.longest,
        }

    def end(self) -> None:
        """End the daemon in order."""
        if self._command is not None:
            os.kill(os.getpid(), signal.SIGTERM)
            self._command.join(_END)


if __name__ == "__main__":
    served = ServedDaemon()
    names = ("start", "up", "poll", "reload", "reset", "report", "end")
    serve_commands({name: getattr(served, name) for name in names})
