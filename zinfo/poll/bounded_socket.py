"""A socket that limits the size of the replies that redis-py reads during the handshake.

redis-py accepts a reply of any size and type. This wrapper also tells `Credentials` what is sent,
and lets handshakes share the event loop.
"""

from __future__ import annotations

from typing import Any

from zinfo.loop.yielding import fair_queue_of_hub
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import AUTH, PROTOCOL, PollError
from zinfo.poll.limits import reply_too_long
from zinfo.poll.peer_protocol import not_redis

_MIN_ALLOWED = 64 * 1024  # bytes that any reply may have
_FIRST_BYTES = frozenset((b"+", b"-", b":", b"$"))  # of RESP replies to the commands sent here
_MAX_HEAD = 32  # bytes of the line that announces a reply's length


class BoundedSocket:
    """Wraps a connected socket; raises `PollError` on a reply that is too long or not RESP.

    gevent's sockets return bytes that have arrived without a yield, redis-py may need long to parse
    them, and a hundred handshakes may run in one iteration of the event loop. Each read therefore
    waits for a slice of the queue that all handshakes share.

    Args:
        sock: the socket; every other attribute is passed on to it.
        max_reply_bytes: size of the longest reply that is accepted.
        credentials: inspects the commands that are sent and the first bytes of the replies.
    """

    def __init__(self, sock: Any, max_reply_bytes: int, credentials: Credentials) -> None:
        self.sock = sock
        self._max = max_reply_bytes
        self._credentials = credentials
        self._at_reply_start = True
        self._remaining = 0  # bytes that the current reply may still have
        self._queue = fair_queue_of_hub("connecting")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def sendall(self, *args: Any) -> None:
        """Send as `socket.sendall` does; the next read begins a reply."""
        self._at_reply_start = True
        self._credentials.on_send(bytes(args[0]))
        if self._credentials.repeated:
            # The password alone belongs to the default user, who may have more rights.
            raise PollError(
                "the server knows no users, as before Redis 6: a password without username is "
                "for its default user",
                AUTH,
            )
        self.sock.sendall(*args)

    def recv(self, *args: Any) -> bytes:
        """Read as `socket.recv` does."""
        data: bytes = self.sock.recv(*args)
        self._queue.acquire_slice()
        self._check(data[:_MAX_HEAD], len(data))
        return data

    def recv_into(self, buffer: Any, *args: Any) -> int:
        """Read as `socket.recv_into` does."""
        count: int = self.sock.recv_into(buffer, *args)
        self._queue.acquire_slice()
        self._check(bytes(buffer[: min(count, _MAX_HEAD)]), count)
        return count

    def _check(self, head: bytes, count: int) -> None:
        if self._at_reply_start and count:
            # Decided on the first bytes: the end of a line, or of the reply, may never come.
            self._at_reply_start = False
            self._credentials.on_reply(head)
            self._remaining = self._announced_length(head) + _MIN_ALLOWED
        self._remaining -= count
        if self._remaining < 0:
            raise PollError("the server sends more than a reply may have", PROTOCOL)

    def _announced_length(self, head: bytes) -> int:
        if head[:1] not in _FIRST_BYTES:
            raise not_redis(head)
        announced = head[1:].partition(b"\r\n")[0]
        length = int(announced) if head[:1] == b"$" and announced.isdigit() else 0
        if length > self._max:
            raise PollError(reply_too_long(length, self._max), PROTOCOL)
        return length
