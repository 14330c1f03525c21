"""A client that takes times: of one ping after the other, and of the daemon's heartbeats."""

from __future__ import annotations

import threading
import time
from typing import Any

import zmq

from benchmarks.cores import prefer_this_process
from benchmarks.worker_loop import serve_commands_blocking
from zinfo.wire.protocol import Request, encode_request

_EVERY = 0.004  # seconds from one ping to the next, where the answer is there by then
_PATIENCE = 120_000  # milliseconds for one answer
_LOOK = 100  # milliseconds between two looks whether it is over


class LatencyProbe:
    """Measures how long a ping waits and how late heartbeats are, in threads of its own."""

    def __init__(self) -> None:
        prefer_this_process()
        self._context = zmq.Context()
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._heartbeat = 0.0
        self._ping = 0.0  # the longest so far, in seconds
        self._pings = 0
        self._under_way: float | None = None  # when the present ping was due
        self._beat = 0.0
        self._last_beat = 0.0

    def start(
        self, query: str, bus: str, heartbeat: float, keys: list[str] | None = None
    ) -> dict[str, Any]:
        """Begin.

        Args:
            query: the query endpoint.
            bus: the bus.
            heartbeat: seconds from one heartbeat to the next.
            keys: Z85 texts of the daemon's key and of the client's public and secret key.
        """
        names = ("curve_serverkey", "curve_publickey", "curve_secretkey")
        self._keys = dict(zip(names, (key.encode() for key in keys or ()), strict=False))
        self._heartbeat = heartbeat
        threading.Thread(target=self._ask, args=(query,), daemon=True).start()
        threading.Thread(target=self._listen, args=(bus,), daemon=True).start()
        while not self._pings or not self._last_beat:
            time.sleep(_EVERY)
        return {}

    def reset(self) -> None:
        """Begin to look anew."""
        with self._lock:
            self._ping, self._pings, self._beat = 0.0, 0, 0.0

    def report(self) -> dict[str, float]:
        """Return the longest wait of a ping and the latest heartbeat, in milliseconds."""
        with self._lock:
            now = time.monotonic()
            waiting = now - self._under_way if self._under_way is not None else 0.0
            missing = now - self._last_beat - self._heartbeat
            return {
                "ping": 1000 * max(self._ping, waiting),
                "pings": self._pings,
                "beat": 1000 * max(self._beat, missing),
            }

    def _socket(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        for name, key in self._keys.items():
            setattr(socket, name, key)
        socket.linger = 0
        if kind == zmq.SUB:
            socket.subscribe(b"z1/hb/")
        socket.connect(endpoint)
        return socket

    def _ask(self, endpoint: str) -> None:
        socket = self._socket(zmq.DEALER, endpoint)
        frames = [b"", *encode_request(Request("ping", id=0))]
        due = time.monotonic()
        while True:
            self._under_way = due
            socket.send_multipart(frames)
            if not socket.poll(_PATIENCE):
                raise RuntimeError("no answer to a ping")
            socket.recv_multipart()
            now = time.monotonic()
            with self._lock:
                self._ping = max(self._ping, now - due)
                self._pings += 1
                self._under_way = None
            due = max(due + _EVERY, now)
            time.sleep(max(0.0, due - time.monotonic()))

    def _listen(self, endpoint: str) -> None:
        socket = self._socket(zmq.SUB, endpoint)
        while True:
            if not socket.poll(_LOOK):
                continue
            socket.recv_multipart()
            now = time.monotonic()
            with self._lock:
                if self._last_beat:
                    self._beat = max(self._beat, now - self._last_beat - self._heartbeat)
                self._last_beat = now


if __name__ == "__main__":
    probe = LatencyProbe()
    serve_commands_blocking({name: getattr(probe, name) for name in ("start", "reset", "report")})
