"""A SUB socket that receives from the bus as fast as possible, and records arrival times."""

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

_QUEUE = 1_000_000  # high-water mark in messages, so that none is dropped here


class RawSubscriber:
    """One SUB socket.

    Attributes:
        counts: Messages so far, by the kind in their topic.
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
            bus: The bus endpoint.
            timed: Whether to record the time from the timestamp in the header to the arrival.
        """
        self._timed = timed
        if timed:
            prefer_this_process()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.set(zmq.RCVHWM, _QUEUE)
        self._socket.set(zmq.LINGER, 0)
        self._socket.connect(bus)

    def subscribe(self, topics: list[str]) -> None:
        """Subscribe, and wait until the bus confirms it."""
        for topic in topics:
            self._socket.subscribe(topic.encode())
        fence = f"~fence/{time.monotonic_ns()}"
        self._socket.subscribe(fence.encode())
        while self._socket.recv_multipart()[0] != fence.encode():
            pass
        self._socket.unsubscribe(fence.encode())

    def unsubscribe(self, topics: list[str]) -> None:
        """Cancel subscriptions."""
        for topic in topics:
            self._socket.unsubscribe(topic.encode())

    def take(self) -> dict[str, Any]:
        """Return what was received since the last call."""
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
        """Wait for this many messages, or until the time is over; return the end and counts."""
        until = time.monotonic() + seconds
        while self.counts["info"] < messages and time.monotonic() < until:
            self._socket.poll(100)
            self.receive()
        return {"at": time.monotonic(), **self.take()}

    def receive(self) -> None:
        """Receive all messages that have arrived."""
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
        """Receive messages and handle commands until the parent closes stdin."""
        handlers = {
            name: getattr(self, name) for name in ("subscribe", "unsubscribe", "take", "count")
        }
        # Unbuffered: lines in a buffer would be invisible to the poller.
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
