"""Sends commands over the socket of a redis-py Connection, and reads their raw replies.

redis-py closes a connection at some error replies, and its parser does not bound several replies.
Runs in a greenlet and may block.
"""

from __future__ import annotations

from typing import Any, Protocol

from zinfo.loop.yielding import fair_queue_of_hub
from zinfo.poll.bounded_socket import BoundedSocket
from zinfo.poll.resp import ErrorReply, ReplyReader

_READ_BYTES = 65536
_SHORT_READ_BYTES = 16384  # may be 4,000 items, which take some 2 ms to read


class Reader(Protocol):
    """Takes what a server sends."""

    def feed(self, data: bytes) -> bool:
        """Take bytes; return whether the reply is complete."""


def exchange(
    connection: Any, request: bytes, count: int, max_bytes: int, *, status: bool = False
) -> list[bytes | ErrorReply]:
    """Return the raw replies to commands.

    Args:
        connection: is connected, and no reply is expected on it.
        request: the commands.
        count: number of the commands.
        max_bytes: the most bytes that the replies together may have.
        status: whether a status or a number is accepted, as by `ReplyReader`.

    Raises:
        PollError: the replies are invalid or too long.
        OSError: the connection was closed, or no bytes came within its timeout.
    """
    reader = ReplyReader(count, max_bytes, status=status)
    _exchange(connection, request, reader, _READ_BYTES)
    return reader.replies


def exchange_with(connection: Any, request: bytes, reader: Reader) -> None:
    """Send a command, and feed a reader with what the server sends until it is complete.

    Args:
        connection: is connected, and no reply is expected on it.
        request: the command.
        reader: raises an exception of its own if it cannot use the bytes.

    Raises:
        OSError: the connection was closed, or no bytes came within its timeout.
    """
    _exchange(connection, request, reader, _SHORT_READ_BYTES)


def peer_host(connection: Any) -> str:
    """Return the IP address that a connection is connected to; "" for a Unix socket."""
    address = connection._sock.getpeername()
    return str(address[0]) if isinstance(address, tuple) else ""


def _exchange(connection: Any, request: bytes, reader: Reader, read_bytes: int) -> None:
    sock = connection._sock
    if isinstance(sock, BoundedSocket):
        sock = sock.sock
    sock.sendall(request)
    queue = fair_queue_of_hub("connecting")
    while True:
        data = sock.recv(read_bytes)
        queue.acquire_slice()  # as in BoundedSocket
        if not data:
            raise ConnectionResetError("connection closed by the server")
        if reader.feed(data):
            return
