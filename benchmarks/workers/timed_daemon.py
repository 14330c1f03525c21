"""The zinfo daemon, with recording of how late each poll starts."""

from __future__ import annotations

import logging
import time
from array import array
from collections.abc import Callable
from typing import Any

import gevent
from typing_extensions import override

import zinfo.poll.poller
import zinfo.poll.shard_connector
from benchmarks.worker_loop import Handlers, Meter, serve_commands
from benchmarks.workers.zinfo_daemon import ZinfoDaemon
from zinfo.poll.scheduler import PollScheduler

LATE = array("d")
"""Delays of the start of polls in seconds, in the order in which they started."""


class TimedScheduler(PollScheduler[Any]):
    """Records the actual start of each poll."""

    def __init__(
        self,
        on_due: Callable[[Any, float, float], None],
        on_timeout: Callable[[Any], None],
        report: Callable[[BaseException], None],
        capacity: Callable[[], float],
    ) -> None:
        def timed(item: Any, now: float, lateness: float) -> None:
            LATE.append(time.monotonic() - now + lateness)
            on_due(item, now, lateness)

        super().__init__(timed, on_timeout, report, capacity)


class ConnectionCounter:
    """Counts the connections that are being made at the same time.

    Attributes:
        most: The largest count so far.
    """

    def __init__(self, connect: Callable[..., Any]) -> None:
        self.most = 0
        self._now = 0
        self._connect = connect

    def __call__(self, *args: Any) -> Any:
        """Connect."""
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            return self._connect(*args)
        finally:
            self._now -= 1


class LogRecorder(logging.Handler):
    """Stores the messages that are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class TimedDaemon(ZinfoDaemon):
    """A daemon whose shards are polled from the start on."""

    waits = False

    def __init__(self) -> None:
        connector = vars(zinfo.poll.shard_connector)
        self._connecting = ConnectionCounter(connector["connect_and_poll"])
        connector.update(connect_and_poll=self._connecting)
        vars(zinfo.poll.poller).update(PollScheduler=TimedScheduler)
        self._log = LogRecorder()
        logging.getLogger("zinfo").addHandler(self._log)
        self._meter = Meter()
        super().__init__()

    @override
    def start(self, urls: list[str], shards: int, interval: float) -> dict[str, Any]:
        started = super().start(urls, shards, interval)
        return {**started, "most_connecting": self._connecting.most}

    def add_work(self, seconds: float) -> None:
        """Add CPU time to each snapshot, as a slow callback of a user does."""

        def burn(*_snapshot: object) -> None:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                pass

        self.daemon.poller.subscribe_snapshots(burn)

    def change_interval(self, interval: float) -> None:
        """Poll each shard at another interval from now on."""
        self.set_interval(interval)

    def reset(self) -> None:
        """Discard what was measured so far."""
        del LATE[:]
        self._meter = Meter()

    def report(self) -> dict[str, Any]:
        """Return the lateness of polls since `reset`, in milliseconds."""
        late = sorted(LATE)
        cost = self._meter.read()
        count = len(late)
        return {
            "polls": count,
            "polls_per_second": count / cost["wall"],
            "core": cost["cpu"] / cost["wall"],
            "p50": 1000 * late[count // 2],
            "p99": 1000 * late[count * 99 // 100],
            "max": 1000 * late[-1],
        }

    def observe(self, seconds: float, after: float = 0.0) -> dict[str, Any]:
        """Wait, and return the lateness of polls meanwhile.

        Args:
            seconds: Measured time.
            after: Seconds before the measurement.
        """
        gevent.sleep(after)
        self.reset()
        gevent.sleep(seconds)
        return self.report()

    def log_lines(self) -> dict[str, list[str]]:
        """Return the messages that were logged."""
        return {"lines": self._log.lines}

    @override
    def handlers(self) -> Handlers:
        names = (
            "add_work",
            "change_interval",
            "reset",
            "report",
            "observe",
            "log_lines",
        )
        return {**super().handlers(), **{name: getattr(self, name) for name in names}}


if __name__ == "__main__":
    serve_commands(TimedDaemon().handlers())
