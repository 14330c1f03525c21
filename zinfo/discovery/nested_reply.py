"""NestedReplyReader: reads a reply that may contain arrays, from a server that is not trusted.

Pure. The Redis serialization protocol, RESP 2:
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from typing import TypeAlias

from zinfo.errors import SourceError
from zinfo.poll.peer_protocol import not_redis
from zinfo.poll.resp import MAX_HEAD, ErrorReply

Reply: TypeAlias = bytes | int | ErrorReply | list["Reply"] | None
"""A bulk string or a status as bytes; None for one that does not exist."""

MAX_DEPTH = 5
"""Maximum number of arrays within each other."""

_TYPES = b"$*:+-"  # first bytes of replies
_MAX_DIGITS = 20  # of a number, with its sign


class NestedReplyReader:
    """Reads the reply to one command.

    Args:
        max_bytes: the most bytes that the reply may have.
        max_items: the most items that all its arrays together may have.
        count: number of replies, to commands that were sent together; they are read as an array of
            replies, with the bounds of one. None to read one reply.

    Attributes:
        reply: the reply, once it is complete.
    """

    def __init__(self, max_bytes: int, max_items: int, count: int | None = None) -> None:
        self.reply: Reply = None
        self._max_bytes = max_bytes
        self._max_items = max_items
        self._data = bytearray()
        self._bytes = 0  # that were fed
        self._items = 0  # that all arrays so far announced
        self._open: list[
            tuple[list[Reply], int]
        ] = []  # arrays that are not complete; their lengths
        self._complete = False
        if count is not None:
            self._open.append(([], count))

    @property
    def unread(self) -> bytes:
        """The bytes of an item whose end has not arrived."""
        return bytes(self._data)

    def feed(self, data: bytes) -> bool:
        """Take bytes that the server sent; return whether the reply is complete.

        Its work is in proportion to the number of bytes: the caller yields between two calls.

        Raises:
            SourceError: they are not a reply, exceed a bound, or follow the end of the reply.
        """
        self._data += data
        self._bytes += len(data)
        at = 0
        while at < len(self._data):
            if self._complete:
                raise SourceError("the server sent more than the reply")
            after = self._read_item(at)
            if after == at:
                break
            at = after
        del self._data[:at]
        if self._bytes > self._max_bytes:
            raise self._too_long(self._bytes)
        return self._complete

    def _read_item(self, at: int) -> int:
        """Read the item that begins at `at`; return where the next one begins, or `at`."""
        data = self._data
        kind = data[at : at + 1]
        if kind not in _TYPES:
            raise _no_reply(bytes(data[at : at + MAX_HEAD]), first=at == 0)
        end = data.find(b"\r\n", at, at + MAX_HEAD)
        if end < 0:
            if len(data) - at >= MAX_HEAD:
                raise _no_reply(b"", first=False)
            return at
        head, after = bytes(data[at + 1 : end]), end + 2
        if kind == b"$":
            return self._read_bulk(_number(head), at, after)
        if kind == b"*":
            self._begin_array(_number(head))
        elif kind == b"-":
            self._add(ErrorReply(head.decode("utf-8", "replace")))
        else:
            self._add(_number(head) if kind == b":" else head)
        return after

    def _read_bulk(self, length: int, at: int, start: int) -> int:
        if length < 0:
            self._add_none(length)
            return start
        total = self._bytes - len(self._data) + start + length  # also if it has not arrived
        if total > self._max_bytes:
            raise self._too_long(total)
        stop = start + length
        if len(self._data) < stop + 2:
            return at
        if self._data[stop : stop + 2] != b"\r\n":
            raise _no_reply(b"", first=False)
        self._add(bytes(self._data[start:stop]))
        return stop + 2

    def _begin_array(self, length: int) -> None:
        if length < 0:
            self._add_none(length)
            return
        self._items += length
        if self._items > self._max_items:
            raise SourceError(f"the reply has more than {self._max_items} items")
        if len(self._open) == MAX_DEPTH:
            raise SourceError(f"the reply has more than {MAX_DEPTH} levels of arrays")
        if length:
            self._open.append(([], length))
        else:
            self._add([])

    def _add(self, item: Reply) -> None:
        """Add a complete item to the array that it belongs to, which may then be complete, too."""
        while self._open:
            items, length = self._open[-1]
            items.append(item)
            if len(items) < length:
                return
            self._open.pop()
            item = items
        self.reply, self._complete = item, True

    def _add_none(self, length: int) -> None:
        if length != -1:
            raise _no_reply(b"", first=False)
        self._add(None)

    def _too_long(self, length: int) -> SourceError:
        return SourceError(f"a reply of {length} bytes or more; at most {self._max_bytes} are read")


def _number(head: bytes) -> int:
    if len(head) <= _MAX_DIGITS and head.removeprefix(b"-").isdigit():
        return int(head)
    raise _no_reply(b"", first=False)


def _no_reply(head: bytes, *, first: bool) -> SourceError:
    """Return the error for bytes that are not RESP; the first ones may show what they are."""
    if first:
        return SourceError(not_redis(head).message)
    return SourceError("the server does not speak the Redis protocol")
