"""Notifies systemd, or another service manager, of the daemon's state.

The watchdog notifications come from the event loop, so that a daemon whose event loop hangs is
restarted.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping

import gevent

from zinfo.daemon.sd_notify import Notifier
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import ShardState

MAX_STARTUP = 30.0
"""Seconds after which the daemon is ready even if some shards were not polled yet.

Slow name lookups and unreachable shards must not fail the start. systemd waits 90 s by default."""

_STARTUP_INTERVAL = 0.1  # seconds between two checks of readiness
_STATUS_INTERVAL = 5.0  # longest interval between two status updates, in seconds

# The order of the states in the status.
_STATES = tuple(
    state.value
    for state in (
        ShardState.UP,
        ShardState.LOADING,
        ShardState.BUSY,
        ShardState.DOWN,
        ShardState.NEW,
    )
)


class ServiceManager:
    """Reports the state of one daemon to its service manager.

    Args:
        notifier: sends the notifications; does nothing if there is no service manager.
        publisher: the live shards.
    """

    def __init__(self, notifier: Notifier, publisher: ShardPublisher) -> None:
        self._notifier = notifier
        self._publisher = publisher
        self._ready = False
        self._status = ""
        self._problem = ""
        self._ready_deadline = time.monotonic() + MAX_STARTUP

    @property
    def enabled(self) -> bool:
        """Whether there is a service manager."""
        return self._notifier.enabled

    def run(self) -> None:
        """Send readiness, status and watchdog notifications; runs in a greenlet of its own."""
        watchdog = self._notifier.watchdog
        pause = min(watchdog / 2, _STATUS_INTERVAL) if watchdog else _STATUS_INTERVAL
        while True:
            self.update(time.monotonic())
            gevent.sleep(pause if self._ready else _STARTUP_INTERVAL)

    def update(self, now: float) -> None:
        """Send what has changed, and the watchdog notification.

        Args:
            now: monotonic time in seconds.
        """
        counts = self._publisher.count_states()
        ready = self._ready or now >= self._ready_deadline or ShardState.NEW.value not in counts
        status = self._format_status(counts, ready=ready)
        lines = []
        if ready and not self._ready:
            lines.append("READY=1")
        if status != self._status:
            lines.append(f"STATUS={status}")
        if ready and self._notifier.watchdog:
            lines.append("WATCHDOG=1")
        if lines and self._notifier.send(*lines):  # otherwise sent again next time
            self._ready, self._status = ready, status

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Notify the start of a reload, and its end on exit."""
        if self._ready:
            # The time lets systemd match this notification with its own SIGHUP.
            microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")
        self._problem = ""
        try:
            yield
        finally:
            if self._ready:
                self._status = self._format_status(self._publisher.count_states(), ready=True)
                self._ready = self._notifier.send("READY=1", f"STATUS={self._status}")

    def set_problem(self, problem: str) -> None:
        """Add a problem to the status until the next reload."""
        self._problem = problem

    def stopping(self) -> None:
        """Notify that the daemon is stopping; nothing is sent after that."""
        self._notifier.send("STOPPING=1", f"STATUS={self._with_problem('stopping')}")
        self._notifier.close()

    def _format_status(self, counts: Mapping[str, int], *, ready: bool) -> str:
        total = sum(counts.values())
        text = f"{'watching' if ready else 'asking'} {total} shard{'' if total == 1 else 's'}"
        parts = [f"{counts[state]} {state}" for state in _STATES if state in counts]
        return self._with_problem(f"{text}: {', '.join(parts)}" if parts else text)

    def _with_problem(self, text: str) -> str:
        return f"{text}; {self._problem}" if self._problem else text
