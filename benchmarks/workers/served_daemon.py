"""`zinfo serve`, with timing of late polls and of event loop iterations."""

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
from benchmarks.workers.timed_daemon import LATE, LogRecorder, TimedScheduler
from zinfo.cli.app import cli
from zinfo.config import Config
from zinfo.daemon.daemon import Daemon
from zinfo.shards.shard import ShardState

_CHECK_INTERVAL = 0.02  # seconds between two checks for an awaited state
_CHECKED_PER_SECOND = 20_000  # shards: a check of many takes milliseconds of the daemon's loop
_TIMEOUT = 5.0  # seconds for the daemon to start, to end, or to poll a shard
_READ = (
    "configuration read again",
    "configuration not taken",
)  # start of the log line at the end of a reload

_daemons: list[Daemon] = []
_made = gevent.event.Event()


class KnownDaemon(Daemon):
    """A daemon that can be found after the command line has created it."""

    @override
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        _daemons.append(self)
        _made.set()


class IterationTimer:
    """Measures iterations of the event loop by the CPU time of its thread.

    Attributes:
        longest: CPU time of the longest iteration in seconds; other processes do not add to it.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.thread_time()
        loop: Any = gevent.get_hub().loop  # its stubs lack this
        self._watcher = loop.check()
        self._watcher.start(self._on_iteration)

    def reset(self) -> None:
        """Discard what was measured so far."""
        self.longest = 0.0
        self._last = time.thread_time()

    def _on_iteration(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now


class ServedDaemon:
    """Runs the command line in a greenlet, and measures the daemon."""

    def __init__(self) -> None:
        self._log = LogRecorder()
        self._iterations = IterationTimer()
        self._command: gevent.Greenlet[..., Any] | None = None

    def start(self, config: str) -> dict[str, Any]:
        """Start the daemon with a configuration file, and return its endpoints."""
        vars(zinfo.poll.poller).update(PollScheduler=TimedScheduler)
        vars(zinfo.daemon.daemon).update(Daemon=KnownDaemon)
        self._command = gevent.spawn(cli, ["serve", "--config", config], standalone_mode=False)
        if not _made.wait(_TIMEOUT):
            raise RuntimeError("the daemon did not start")
        for handler in logging.getLogger().handlers:
            handler.setLevel(logging.CRITICAL)  # each of dozens of reloads would be logged
        logging.getLogger("zinfo").addHandler(self._log)
        return {
            "query": self._daemon.router.endpoint,
            "bus": self._daemon.bus.endpoint,
            "http": [server.endpoint for server in self._daemon.server_adapters],
        }

    @property
    def _daemon(self) -> Daemon:
        return _daemons[0]

    def found(self, shards: int, seconds: float) -> dict[str, bool]:
        """Wait until this many shards are live, up or not."""
        until = time.monotonic() + seconds
        while len(self._daemon.publisher) != shards and time.monotonic() < until:
            gevent.sleep(_CHECK_INTERVAL)
        return {"found": len(self._daemon.publisher) == shards}

    def up(self, shards: int, seconds: float) -> dict[str, bool]:
        """Wait until this many shards are live and all of them are up."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            live = self._daemon.publisher.get_live_shards()
            # From the end: those that were added last are up last.
            if len(live) == shards and all(one.state is ShardState.UP for one in reversed(live)):
                return {"up": True}
            gevent.sleep(max(_CHECK_INTERVAL, shards / _CHECKED_PER_SECOND))
        return {"up": False}

    def labelled(self, label: str, shards: int, seconds: float) -> dict[str, bool]:
        """Wait until the label `generation` has this value on so many shards, all of them up."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [
                one.state
                for one in self._daemon.publisher.get_live_shards()
                if one.labels.get("generation") == label
            ]
            if len(found) == shards and all(state is ShardState.UP for state in found):
                return {"up": True}
            gevent.sleep(max(_CHECK_INTERVAL, len(self._daemon.publisher) / _CHECKED_PER_SECOND))
        return {"up": False}

    def look_at_sources(self, count: int) -> dict[str, float]:
        """Return the CPU time of one look at all sources, which must be unchanged, in seconds."""
        sources = self._daemon.config.sources
        readers = self._daemon._watchers._discovery._sources._readers.values()
        if len(readers) != len(sources):
            raise RuntimeError("a source is not read")
        began = time.process_time()
        for _ in range(count):
            for reader in readers:
                reader._read()
        return {"cpu": (time.process_time() - began) / count}

    def poll(self, shard: str) -> None:
        """Poll a shard, and wait for the reply."""
        done = self._daemon.poller.refresh(shard, 0.0)
        if done is not None:
            done.wait(_TIMEOUT)

    def reloads(self) -> int:
        """Return how often the configuration was reloaded."""
        return sum(line.startswith(_READ) for line in list(self._log.lines))

    def reload(self, seconds: float) -> dict[str, float]:
        """Send the daemon SIGHUP, and wait for the end of the reload."""
        before, began = self.reloads(), time.monotonic()
        os.kill(os.getpid(), signal.SIGHUP)
        while self.reloads() == before:
            if time.monotonic() - began > seconds:
                raise RuntimeError("the configuration was not reloaded")
            gevent.sleep(_CHECK_INTERVAL)
        return {"seconds": time.monotonic() - began}

    def reset(self) -> None:
        """Discard what was measured so far."""
        del LATE[:]
        self._iterations.reset()

    def report(self) -> dict[str, Any]:
        """Return the lateness of polls and the longest iteration since `reset`, in milliseconds."""
        late = sorted(LATE)
        count = len(late)
        return {
            "polls": count,
            "p50": 1000 * late[count // 2] if late else 0.0,
            "p99": 1000 * late[count * 99 // 100] if late else 0.0,
            "poll": 1000 * late[-1] if late else 0.0,
            "iteration": 1000 * self._iterations.longest,
        }

    def end(self) -> None:
        """Shut the daemon down by SIGTERM."""
        if self._command is not None:
            os.kill(os.getpid(), signal.SIGTERM)
            self._command.join(_TIMEOUT)


if __name__ == "__main__":
    served = ServedDaemon()
    names = (
        "start",
        "found",
        "up",
        "labelled",
        "look_at_sources",
        "poll",
        "reload",
        "reset",
        "report",
        "end",
    )
    serve_commands({name: getattr(served, name) for name in names})
