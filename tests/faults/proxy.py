"""The way between consumers and daemon, told to fail: connections (Proxy), messages (LossyBus)."""

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

_CHUNK = 1 << 20  # bytes; all that came meanwhile is held once, not piece by piece
_SMALL = 4096  # bytes of a socket's buffers, so that hardly anything is on its way unseen


class _Link:
    """One connection through the proxy: two sockets, and a thread for each direction."""

    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self.proxy = proxy
        self.dead = False  # it stays open and nothing comes through any more
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
        """Break it off on both sides."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Break it off and wait until it is gone."""
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
                if not self.dead:
                    target.sendall(chunk)
        if not self.dead:
            self.cut()


class Proxy:
    """Listens on a port of its own and passes everything on to `target`, until told otherwise.

    Args:
        target: a tcp:// endpoint; may be set anew, for connections that come later.

    Attributes:
        endpoint: where it listens.
        delay: seconds by which all that passes is held up (up to twice that, where it comes while
            something is held already).
        connections: how many were accepted so far.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.delay = 0.0
        self.connections = 0
        self._silent = self._closed = False
        self._links: list[_Link] = []
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
        for link in self._links:
            link.end()

    # --- what happens to the way

    def cut(self) -> None:
        """Break off all connections; new ones are taken at once."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.end()

    def blackhole(self) -> None:
        """Leave all connections open for ever, and let nothing through: those are half open.

        What connects from now on is taken, and gets no answer either, until `mend()`.
        """
        with self._lock:
            self._silent = True
            for link in self._links:
                link.dead = True

    def mend(self) -> None:
        """Let new connections through, without delay. Half-open ones stay so."""
        with self._lock:
            self._silent, self.delay = False, 0.0

    # --- inside

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
                far = self._reach()
            except OSError:  # nobody is there: the one who asks sees the same
                near.close()
                continue
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                link = _Link(self, near, far)
                link.dead = self._silent
                for old in [one for one in self._links if one.over]:
                    old.end()
                    self._links.remove(old)
                self._links.append(link)

    def _reach(self) -> socket.socket:
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
    """A bus between the daemon's and its subscribers, that loses and reorders messages.

    Fences and subscriptions pass as they come.

    Args:
        bus: the daemon's.

    Attributes:
        endpoint: where subscribers connect.
        drop: how many of the next messages are lost.
        only: first bytes of the topics of the messages that `drop` is about; empty for all.
        swap: how many of the next messages change places with the one after them.
        lost: messages lost so far.
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

    def mend(self) -> None:
        """Lose and reorder nothing any more."""
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
                self._pass_on(self._up.recv_multipart())

    def _pass_on(self, frames: list[bytes]) -> None:
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
