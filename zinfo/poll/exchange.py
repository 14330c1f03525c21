"""Sends commands over the socket of a redis-py Connection, and reads their raw replies.

redis-py closes a connection at some error replies, and its parser does not bound several replies.
Runs in a greenlet and may block.
"""

from __future__ import annotations

from typing import Any

from zinfo.loop.yielding import fair_queue_of_hub
from zinfo.poll.bounded_socket import BoundedSocket
from zinfo.poll.resp import ErrorReply, ReplyReader

_READ_BYTES = 65536


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
    sock = connection._sock
    if isinstance(sock, BoundedSocket):
        sock = sock.sock
    sock.sendall(request)
    reader = ReplyReader(count, max_bytes, status=status)
    queue = fair_queue_of_hub("connecting")
    while True:
        data = sock.recv(_READ_BYTES)
        queue.acquire_slice()  # as in BoundedSocket
        if not data:
            raise ConnectionResetError("connection closed by the server")
        if reader.feed(data):
            return reader.replies
