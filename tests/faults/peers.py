"""A fake server that misbehaves on demand, in ways that a real server does not."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO

from typing_extensions import Self

INFO = (
    b"# Server\r\nredis_version:7.0.0\r\nrun_id:0123456789abcdef\r\nuptime_in_seconds:5\r\n"
    b"# Replication\r\nrole:master\r\n# Stats\r\ninstantaneous_ops_per_sec:0\r\n"
)


def bulk(text: bytes) -> bytes:
    """Encode a bulk reply."""
    return b"$%d\r\n%s\r\n" % (len(text), text)


class Peer:
    """One listening socket; each of its connections is a thread.

    Args:
        fault: Handles a command while the peer is bad: called with the peer, the connection and
            the words of the command. If it returns True, the connection is closed.
        info: Returns the text of each INFO.

    Attributes:
        bad: Whether it misbehaves now.
        fault: As given; a new value is used for later commands.
        url: URL of the server.
    """

    def __init__(
        self,
        fault: Fault | None = None,
        info: Callable[[], bytes] = lambda: INFO,
    ) -> None:
        self.bad = False
        self.fault = fault
        self._info = info
        self._ends = threading.Event()
        peer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    peer._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True
            request_queue_size = 1024

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"redis://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ends.set()
        self.bad = False
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hold(self, connection: socket.socket) -> None:
        """Send nothing on a connection until this peer is good again or the other end closes it."""
        connection.settimeout(0.05)
        while self.bad:
            with contextlib.suppress(TimeoutError):
                if not connection.recv(4096):
                    return

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as stream:
            while not self._ends.is_set():
                words = _read_command(stream)
                if self.bad and self.fault is not None:
                    if self.fault(self, connection, words):
                        return
                elif words[0].upper() == b"INFO":
                    connection.sendall(bulk(self._info()))
                else:
                    connection.sendall(b"+OK\r\n")


Fault = Callable[[Peer, socket.socket, list[bytes]], bool]


def sends(reply: bytes) -> Fault:
    """Send the same reply to every command."""

    def fault(peer: Peer, connection: socket.socket, _words: list[bytes]) -> bool:
        connection.sendall(reply)
        peer.hold(connection)
        return True

    return fault


def replies_to_info(reply: Callable[[], bytes]) -> Fault:
    """Send this reply to INFO, and valid replies to other commands."""

    def fault(_peer: Peer, connection: socket.socket, words: list[bytes]) -> bool:
        connection.sendall(reply() if words[0].upper() == b"INFO" else b"+OK\r\n")
        return False

    return fault


def sends_nothing(peer: Peer, connection: socket.socket, _words: list[bytes]) -> bool:
    """Accept connections and send nothing."""
    peer.hold(connection)
    return True


def sends_slowly(peer: Peer, connection: socket.socket, _words: list[bytes]) -> bool:
    """Send a valid reply, one byte a second."""
    for byte in bulk(INFO):
        connection.sendall(bytes([byte]))
        until = time.monotonic() + 1
        while peer.bad and time.monotonic() < until:
            time.sleep(0.02)
        if not peer.bad:
            break
    return True


def closes(part: bytes) -> Fault:
    """Close the connection after a part of a reply."""

    def fault(_peer: Peer, connection: socket.socket, _words: list[bytes]) -> bool:
        connection.sendall(part)
        return True

    return fault


def streams(head: bytes, chunk: bytes) -> Fault:
    """Send endlessly, as fast as the other end reads."""

    def fault(peer: Peer, connection: socket.socket, _words: list[bytes]) -> bool:
        connection.settimeout(5)
        connection.sendall(head)
        while peer.bad:
            connection.sendall(chunk)
        return True

    return fault


def _read_command(stream: BinaryIO) -> list[bytes]:
    count = int(stream.readline()[1:])
    words = []
    for _ in range(count):
        length = int(stream.readline()[1:])
        words.append(stream.read(length + 2)[:-2])
    return words
