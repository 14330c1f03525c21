"""Subscribers: take what the bus sends, as quickly as may be, and remember when it came."""

from __future__ import annotations

import io
import sys
import time
from array import array
from collections import Counter
from typing import Any

import msgpack
import zmq

from benchmarks.cores import prefer_this_process
from benchmarks.worker_loop import handle_command

_QUEUE = 1_000_000  # messages that may wait, so that none is dropped here


class RawSubscriber:
    """One SUB socket.

    Attributes:
        counts: messages so far, by the kind in their topic.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes]
        self._timed = False
        self._delays = array("d")
        self._beats = array("d")
        self._last: list[bytes] = []

    def start(self, bus: str, timed: bool = False) -> None:
        """Connect.

        Args:
            bus: where to.
            timed: whether to take the time from a message's header to its arrival, too.
        """
        self._timed = timed
        if timed:
            prefer_this_process()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.set(zmq.RCVHWM, _QUEUE)
        self._socket.set(zmq.LINGER, 0)
        self._socket.connect(bus)

    def subscribe(self, topics: list[str]) -> None:
        """Subscribe, and wait until that stands."""
        for topic in topics:
            self._socket.subscribe(topic.encode())
        fence = f"~fence/{time.monotonic_ns()}"
        self._socket.subscribe(fence.encode())
        while self._socket.recv_multipart()[0] != fence.encode():
            pass
        self._socket.unsubscribe(fence.encode())

    def unsubscribe(self, topics: list[str]) -> None:
        """Take subscriptions back."""
        for topic in topics:
            self._socket.unsubscribe(topic.encode())

    def take(self) -> dict[str, Any]:
        """Return what came since the last time this was asked."""
        self.receive()
        taken = {
            "counts": dict(self.counts),
            "delays": list(self._delays),
            "beats": list(self._beats),
            "last": [len(frame) for frame in self._last],  # bytes of the last message's frames
        }
        self.counts.clear()
        self._delays = array("d")
        self._beats = array("d")
        return taken

    def count(self, messages: int, seconds: float) -> dict[str, Any]:
        """Return when so many messages have come, by the monotonic clock, or the time is over."""
        until = time.monotonic() + seconds
        while self.counts["info"] < messages and time.monotonic() < until:
            self._socket.poll(100)
            self.receive()
        return {"at": time.monotonic(), **self.take()}

    def receive(self) -> None:
        """Take all that is there."""
        receive, counts, timed = self._socket.recv_multipart, self.counts, self._timed
        try:
            while True:
                frames = receive(zmq.NOBLOCK)
                kind = frames[0].split(b"/", 2)[1].decode()
                counts[kind] += 1
                self._last = frames
                if kind == "hb":
                    self._beats.append(time.monotonic())
                elif timed:
                    self._delays.append(time.time() - msgpack.unpackb(frames[1])[4])
        except zmq.Again:
            pass

    def run(self) -> None:
        """Listen and serve_commands until the parent goes."""
        handlers = {
            name: getattr(self, name) for name in ("subscribe", "unsubscribe", "take", "count")
        }
        # Not through a buffer, which would hide lines from the poller.
        stdin = io.FileIO(sys.stdin.fileno(), closefd=False)
        handle_command(stdin.readline(), {"start": self.start})
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(sys.stdin.fileno(), zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._socket in ready:
                self.receive()
            if sys.stdin.fileno() in ready:
                line = stdin.readline()
                if not line:
                    return
                handle_command(line, handlers)


if __name__ == "__main__":
    RawSubscriber().run()
