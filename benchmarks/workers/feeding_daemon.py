"""The zinfo daemon, which makes bus messages of recorded replies first and sends them later.

So a client can be fed faster than a daemon can make the messages, and at a given rate. Each message
is what a daemon publishes at a poll, with consecutive revisions; only its time is earlier.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import gevent
from typing_extensions import override

from benchmarks.worker_loop import Handlers, Meter, serve_commands
from benchmarks.workers.zinfo_daemon import YIELD_EVERY, ZinfoDaemon
from zinfo.config.models import BusConfig, Config
from zinfo.sockets.direct import DirectSocket
from zinfo.wire.bus_messages import TOPIC_ROOT

_HEARTBEAT = 600.0  # seconds: one between making and sending would have totals of unsent messages
_QUEUE = 1_000_000  # high-water mark in messages, so that none is dropped here
_TICK = 0.01  # seconds between two bursts, as in a daemon
_FLUSH = 0.2  # seconds after which the daemon has sent what it has batched

Frames = Sequence[bytes]


class Outbox:
    """Stores the bus messages that are sent while it is open.

    Attributes:
        messages: The stored messages, oldest first.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.messages: list[tuple[DirectSocket, Frames]] = []
        self.send = DirectSocket.send
        prefix = f"{TOPIC_ROOT}/".encode()

        def send_or_store(socket: DirectSocket, frames: Frames) -> None:
            if self.is_open and frames[0].startswith(prefix):
                self.messages.append((socket, frames))
            else:
                self.send(socket, frames)

        type.__setattr__(DirectSocket, "send", send_or_store)


class FeedingDaemon(ZinfoDaemon):
    """A daemon whose bus messages are sent on command."""

    def __init__(self) -> None:
        self._outbox = Outbox()
        super().__init__()

    @override
    def config(self) -> Config:
        config = super().config()
        bus = BusConfig(endpoint=config.bus.endpoint, heartbeat=_HEARTBEAT, high_water_mark=_QUEUE)
        return config.model_copy(update={"bus": bus})

    def make(self, polls: int) -> dict[str, Any]:
        """Process recorded replies like those of polls, and store the bus messages.

        Args:
            polls: Number of replies; the recorded ones are used again and again.

        Returns:
            The number of messages by kind, and their size.
        """
        self._outbox.messages.clear()
        self._outbox.is_open = True
        recorded = len(self._recorded)
        while polls > 0:
            self.publish(min(polls, recorded))
            polls -= recorded
        gevent.sleep(_FLUSH)
        self._outbox.is_open = False
        messages = self._outbox.messages
        kinds = Counter(frames[0].split(b"/")[1].decode() for _, frames in messages)
        size = sum(len(frame) for _, frames in messages for frame in frames)
        return {"messages": dict(kinds), "bytes": size}

    def send(self, seconds: float) -> dict[str, float]:
        """Send the stored messages, evenly within this time; 0 is as fast as possible."""
        messages, send = self._outbox.messages, self._outbox.send
        began, meter = time.monotonic(), Meter()
        for number, (socket, frames) in enumerate(messages):
            send(socket, frames)
            ahead = began + number / len(messages) * seconds - time.monotonic()
            if ahead > _TICK:
                gevent.sleep(ahead)
            elif number % YIELD_EVERY == 0:
                gevent.sleep(0)
        self._outbox.messages = []
        return {"began": began, **meter.read()}

    @override
    def handlers(self) -> Handlers:
        return {**super().handlers(), "make": self.make, "send": self.send}


if __name__ == "__main__":
    serve_commands(FeedingDaemon().handlers())
