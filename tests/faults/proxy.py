"""Fault injection between consumers and daemon: for connections (Proxy), messages (LossyBus)."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from urllib.parse import urlsplit

import zmq
from typing_extensions import Self

from tests.spawning import HOST
from zinfo.wire.bus_messages import FENCE_PREFIX

_CHUNK = 1 << 20  # bytes; large, so that a backlog is delayed once and not chunk by chunk
_SMALL = 4096  # bytes of a socket's receive buffer, so that hardly any data is hidden in it


class _Connection:
    """One connection through the proxy: two sockets, and a thread for each direction."""

    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self.proxy = proxy
        self.blackholed = False  # it stays open, and all data is dropped
        self._sockets = (near, far)
        self._threads = [
            threading.Thread(target=self._pump, args=pair, name="proxy", daemon=True)
            for pair in ((near, far), (far, near))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def cut(self) -> None:
        """Shut it down on both sides."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Shut it down, and wait for its threads."""
        self.cut()
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if self.proxy.delay:
                    time.sleep(self.proxy.delay)
                if not self.blackholed:
                    target.sendall(chunk)
        if not self.blackholed:
            self.cut()


class Proxy:
    """A TCP proxy to `target` that can disconnect, delay and drop.

    Args:
        target: A tcp:// endpoint; a new value is used for later connections.

    Attributes:
        endpoint: Its own endpoint.
        delay: Delay of data in seconds (up to twice that for data that arrives during a delay).
        connections: Number of connections accepted so far.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.delay = 0.0
        self.connections = 0
        self._blackhole = self._closed = False
        self._connections: list[_Connection] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0), backlog=100)
        self.endpoint = f"tcp://{HOST}:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in self._connections:
            connection.end()

    # --- faults

    def cut(self) -> None:
        """Close all connections; new ones are accepted at once."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.end()

    def blackhole(self) -> None:
        """Keep all connections open and drop all data: they are half-open.

        New connections are accepted, and their data is dropped as well, until `restore()`.
        """
        with self._lock:
            self._blackhole = True
            for connection in self._connections:
                connection.blackholed = True

    def restore(self) -> None:
        """Forward new connections again, without delay. Half-open ones stay half-open."""
        with self._lock:
            self._blackhole, self.delay = False, 0.0

    # --- implementation

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._closed:
                near.close()
                return
            self.connections += 1
            try:
                far = self._connect()
            except OSError:  # the target is not reachable, which the client sees as a disconnect
                near.close()
                continue
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                connection = _Connection(self, near, far)
                connection.blackholed = self._blackhole
                for old in [one for one in self._connections if one.over]:
                    old.end()
                    self._connections.remove(old)
                self._connections.append(connection)

    def _connect(self) -> socket.socket:
        parts = urlsplit(self.target)
        far = socket.socket()
        try:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
            far.settimeout(5)
            far.connect((parts.hostname, parts.port))
            far.settimeout(None)
        except BaseException:
            far.close()
            raise
        return far


class LossyBus:
    """A forwarder between a daemon's bus and its subscribers that loses and reorders messages.

    Fences and subscriptions are always forwarded.

    Args:
        bus: The daemon's bus endpoint.

    Attributes:
        endpoint: Endpoint for subscribers.
        drop: How many of the next messages to drop.
        only: Prefix of the topics to which `drop` applies; empty for all.
        swap: How many of the next messages to swap with the one after them.
        lost: Number of messages dropped so far.
    """

    def __init__(self, bus: str) -> None:
        self.drop = self.swap = self.lost = 0
        self.only = b""
        self._held: list[bytes] | None = None
        self._closed = threading.Event()
        self._context = zmq.Context()
        self._down: zmq.Socket[bytes] = self._context.socket(zmq.XPUB)
        self._up: zmq.Socket[bytes] = self._context.socket(zmq.XSUB)
        self._down.setsockopt(zmq.XPUB_VERBOSE, 1)
        for sock in (self._down, self._up):
            sock.linger = 0
            sock.setsockopt(zmq.RECONNECT_IVL, 20)
        port = self._down.bind_to_random_port(f"tcp://{HOST}")
        self.endpoint = f"tcp://{HOST}:{port}"
        self._up.connect(bus)
        self._thread = threading.Thread(target=self._run, name="lossy bus", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._thread.join()
        self._down.close()
        self._up.close()
        self._context.term()

    def restore(self) -> None:
        """Stop losing and reordering messages."""
        self.drop = self.swap = 0

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._down, zmq.POLLIN)
        poller.register(self._up, zmq.POLLIN)
        while not self._closed.is_set():
            ready = dict(poller.poll(20))
            if self._down in ready:
                self._up.send(self._down.recv())
            if self._up in ready:
                self._forward(self._up.recv_multipart())

    def _forward(self, frames: list[bytes]) -> None:
        if frames[0].startswith(FENCE_PREFIX):
            self._down.send_multipart(frames)
        elif self.drop and frames[0].startswith(self.only):
            self.drop -= 1
            self.lost += 1
        elif self.swap and self._held is None:
            self.swap -= 1
            self._held = frames
        else:
            self._down.send_multipart(frames)
            if self._held is not None:
                self._down.send_multipart(self._held)
                self._held = None
