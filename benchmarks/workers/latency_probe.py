"""Measures the latency of pings and the delay of the daemon's heartbeats."""

from __future__ import annotations

import threading
import time
from typing import Any

import zmq

from benchmarks.cores import prefer_this_process
from benchmarks.worker_loop import serve_commands_blocking
from zinfo.wire.query_messages import Request, encode_request

_INTERVAL = 0.004  # seconds between two pings, if the reply has come by then
_TIMEOUT = 120_000  # milliseconds for one reply
_POLL = 100  # milliseconds that one wait for a heartbeat takes at most


class LatencyProbe:
    """Sends pings and receives heartbeats, each in a thread of its own."""

    def __init__(self) -> None:
        prefer_this_process()
        self._context = zmq.Context()
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._heartbeat = 0.0
        self._ping = 0.0  # the longest latency so far, in seconds
        self._pings = 0
        self._in_flight: float | None = None  # when the outstanding ping was due
        self._beat = 0.0
        self._last_beat = 0.0

    def start(
        self, query: str, bus: str, heartbeat: float, keys: list[str] | None = None
    ) -> dict[str, Any]:
        """Start both threads, and wait for a first reply and a first heartbeat.

        Args:
            query: The query endpoint.
            bus: The bus endpoint.
            heartbeat: Seconds between two heartbeats.
            keys: The daemon's public key and the client's public and secret key, in Z85.
        """
        names = ("curve_serverkey", "curve_publickey", "curve_secretkey")
        self._keys = dict(zip(names, (key.encode() for key in keys or ()), strict=False))
        self._heartbeat = heartbeat
        threading.Thread(target=self._send_pings, args=(query,), daemon=True).start()
        threading.Thread(target=self._receive_heartbeats, args=(bus,), daemon=True).start()
        while not self._pings or not self._last_beat:
            time.sleep(_INTERVAL)
        return {}

    def reset(self) -> None:
        """Discard what was measured so far."""
        with self._lock:
            self._ping, self._pings, self._beat = 0.0, 0, 0.0

    def report(self) -> dict[str, float]:
        """Return the longest wait of a ping and the latest heartbeat, in milliseconds."""
        with self._lock:
            now = time.monotonic()
            waiting = now - self._in_flight if self._in_flight is not None else 0.0
            missing = now - self._last_beat - self._heartbeat
            return {
                "ping": 1000 * max(self._ping, waiting),
                "pings": self._pings,
                "heartbeat": 1000 * max(self._beat, missing),
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

    def _send_pings(self, endpoint: str) -> None:
        socket = self._socket(zmq.DEALER, endpoint)
        frames = [b"", *encode_request(Request("ping", id=0))]
        due = time.monotonic()
        while True:
            self._in_flight = due
            socket.send_multipart(frames)
            if not socket.poll(_TIMEOUT):
                raise RuntimeError("no reply to a ping")
            socket.recv_multipart()
            now = time.monotonic()
            with self._lock:
                self._ping = max(self._ping, now - due)
                self._pings += 1
                self._in_flight = None
            due = max(due + _INTERVAL, now)
            time.sleep(max(0.0, due - time.monotonic()))

    def _receive_heartbeats(self, endpoint: str) -> None:
        socket = self._socket(zmq.SUB, endpoint)
        while True:
            if not socket.poll(_POLL):
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
