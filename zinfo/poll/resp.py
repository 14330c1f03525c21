"""Encodes commands, and reads the replies to several of them that are sent together. Pure.

The Redis serialization protocol, RESP: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from zinfo.poll.errors import PROTOCOL, PollError
from zinfo.poll.limits import reply_too_long
from zinfo.poll.peer_protocol import not_redis

MAX_HEAD = 512
"""Bytes of the longest first line that is accepted: `$<length>`, an error or a status."""

_DOLLAR, _MINUS = b"$-"  # first byte of a bulk string and of an error
_STATUS = b"+:"  # first byte of a status and of a number
_NIL = b"-1"  # length of a bulk string that does not exist


class ErrorReply(str):
    """An error reply, without its `-`."""

    __slots__ = ()


def pack(*words: str) -> bytes:
    """Return a command as bytes."""
    encoded = [word.encode() for word in words]
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded]
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


class ReplyReader:
    """Reads the replies to commands that were sent together.

    Args:
        count: number of the replies.
        max_bytes: the most bytes that all replies together may have.
        status: whether a status or a number is accepted, and not only a bulk string or an error.

    Attributes:
        replies: those that are complete. A bulk string that does not exist is empty.
    """

    __slots__ = ("_at", "_count", "_data", "_length", "_max", "_status", "replies")

    def __init__(self, count: int, max_bytes: int, *, status: bool = False) -> None:
        self._count = count
        self._max = max_bytes
        self._status = status
        self._data = bytearray()
        self._at = 0  # start of the next reply in `_data`
        self._length = 0  # bytes of the bulk strings so far
        self.replies: list[bytes | ErrorReply] = []

    def feed(self, data: bytes | memoryview) -> bool:
        """Take bytes that the server sent; return whether all replies are complete.

        Raises:
            PollError: they are not such replies, are too long, or there are more of them.
        """
        self._data += data
        while self._at < len(self._data):
            if len(self.replies) == self._count:
                raise PollError("the server sent more than the replies to INFO", PROTOCOL)
            if not self._read_reply():
                break
        return len(self.replies) == self._count

    def _read_reply(self) -> bool:
        """Read one reply; return False if its end has not arrived."""
        data, at = self._data, self._at
        end = data.find(b"\r\n", at, at + MAX_HEAD)
        kind = data[at]
        if kind not in b"$-" + _STATUS or (end < 0 and len(data) - at >= MAX_HEAD):
            raise not_redis(bytes(data[at : at + MAX_HEAD]))
        if kind in _STATUS and not self._status:
            raise PollError("the reply to INFO is not a bulk string", PROTOCOL)
        if end < 0:
            return False
        head = bytes(data[at + 1 : end])
        if kind == _DOLLAR and head != _NIL:
            return self._read_bulk(head, end + 2)
        if kind == _MINUS:
            self.replies.append(ErrorReply(head.decode("utf-8", "replace")))
        else:
            self.replies.append(b"" if kind == _DOLLAR else head)
        self._at = end + 2
        return True

    def _read_bulk(self, digits: bytes, start: int) -> bool:
        if not digits.isdigit():
            raise PollError("the reply to INFO has no valid length", PROTOCOL)
        length = int(digits)
        total = self._length + length
        if total > self._max:
            raise PollError(reply_too_long(total, self._max), PROTOCOL)
        stop = start + length
        if len(self._data) < stop + 2:
            return False
        self.replies.append(bytes(self._data[start:stop]))
        self._length = total
        self._at = stop + 2
        return True
