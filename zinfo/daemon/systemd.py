"""Tells the service manager, such as systemd, how the daemon does: whether it is ready, and lives.

The beats for its watchdog come from the event loop: one that hangs sends none, and is killed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping

import gevent

from zinfo.daemon.sd_notify import Notifier
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import ShardState

LONGEST_START = 30.0
"""Seconds after which zinfo is ready though some shards have not been asked: names that hang, or
thousands that do not answer, must not make the start fail. systemd waits 90 by default."""

_LOOK = 0.1  # seconds between two looks at whether it is ready
_STATUS = 5.0  # seconds between two looks at what the status is, at most

# How a status tells them: what is well first.
_ORDER = tuple(
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
    """What a service manager is told of one daemon; nothing where there is none.

    Args:
        notifier: takes it there.
        publisher: the live shards.
    """

    def __init__(self, notifier: Notifier, publisher: ShardPublisher) -> None:
        self._notifier = notifier
        self._publisher = publisher
        self._ready = False
        self._status = ""
        self._trouble = ""
        self._latest_start = time.monotonic() + LONGEST_START

    @property
    def is_there(self) -> bool:
        """Whether there is a service manager to tell."""
        return self._notifier.is_heard

    def run(self) -> None:
        """Tell for ever that zinfo is ready, how the shards do and that it lives; in a greenlet."""
        watchdog = self._notifier.watchdog
        pause = min(watchdog / 2, _STATUS) if watchdog else _STATUS
        while True:
            self.tell(time.monotonic())
            gevent.sleep(pause if self._ready else _LOOK)

    def tell(self, now: float) -> None:
        """Send what there is to say at this moment.

        Args:
            now: the monotonic clock, in seconds.
        """
        counts = self._publisher.count_states()
        ready = self._ready or now >= self._latest_start or ShardState.NEW.value not in counts
        status = self._say(counts, ready=ready)
        lines = []
        if ready and not self._ready:
            lines.append("READY=1")
        if status != self._status:
            lines.append(f"STATUS={status}")
        if ready and self._notifier.watchdog:
            lines.append("WATCHDOG=1")
        if lines and self._notifier.send(*lines):  # else it is said the next time
            self._ready, self._status = ready, status

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that the configuration is being read, and afterwards that this is over."""
        if self._ready:
            # When it was, so that systemd takes it for the answer to its own SIGHUP.
            microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")
        self._trouble = ""
        try:
            yield
        finally:
            if self._ready:
                self._status = self._say(self._publisher.count_states(), ready=True)
                self._ready = self._notifier.send("READY=1", f"STATUS={self._status}")

    def trouble(self, what: str) -> None:
        """Have the status say so, too, until the next reload."""
        self._trouble = what

    def stopping(self) -> None:
        """Tell that the end has begun, and nothing after that."""
        self._notifier.send("STOPPING=1", f"STATUS={self._with_trouble('stopping')}")
        self._notifier.close()

    def _say(self, counts: Mapping[str, int], *, ready: bool) -> str:
        total = sum(counts.values())
        text = f"{'watching' if ready else 'asking'} {total} shard{'' if total == 1 else 's'}"
        parts = [f"{counts[state]} {state}" for state in _ORDER if state in counts]
        return self._with_trouble(f"{text}: {', '.join(parts)}" if parts else text)

    def _with_trouble(self, text: str) -> str:
        return f"{text}; {self._trouble}" if self._trouble else text
