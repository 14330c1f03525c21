"""The hot path of one shard's connection: ask for INFO, read the raw reply by I/O watcher.

No greenlet and no redis-py here: everything runs in callbacks of the event loop, where nothing may
wait. The reply is a bulk string of the Redis serialization protocol, RESP
(https://redis.io/docs/latest/develop/reference/protocol-spec/).
"""

from __future__ import annotations

import socket
import ssl
from typing import Generic, Protocol, TypeVar

import gevent

from zinfo.info.bounds import UNCOUNTED_BYTES, size_problem
from zinfo.loop.callback_queue import CallbackQueue
from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import OTHER, PROTOCOL, PollError, from_exception, from_reply
from zinfo.poll.limits import Limits, too_long

RealSocket = socket.socket

K_contra = TypeVar("K_contra", contravariant=True)

_MAX_HEAD = 512  # bytes; the longest first line taken: `$<length>` or an error reply
_DOLLAR, _MINUS = b"$-"  # first byte of a bulk string, of an error
_READ = 1  # libev's event for readable

# All links read into this one: a callback takes what it needs out of it before the next can run.
_buffer = bytearray(256 * 1024)
_view = memoryview(_buffer)

_WOULD_WAIT = (BlockingIOError, ssl.SSLWantReadError)


class LinkOwner(Protocol[K_contra]):
    """Whoever has links; none of these may wait."""

    def answered(self, key: K_contra, raw: bytes) -> None:
        """Take the raw INFO text of a reply."""

    def refused(self, key: K_contra, error: PollError) -> None:
        """Take an error reply; the link stays open."""

    def lost(self, key: K_contra, error: PollError) -> None:
        """Take what ended the link, which is closed already; told once."""


class Link(Generic[K_contra]):
    """A shard's connected socket, owned.

    Args:
        sock: connected, authenticated and non-blocking.
        request: the bytes that ask for INFO.
        limits: bounds of a reply.
        owner: told what happens, always with `key`.
        key: what the owner knows this link by.
        queue: tells when reading must be deferred.
        credentials: that the server was shown; its errors are told without them.
    """

    __slots__ = (
        "_credentials",
        "_key",
        "_max",
        "_max_fields",
        "_owner",
        "_partial",
        "_queue",
        "_request",
        "_sock",
        "_tls",
        "_uncounted",
        "_watcher",
        "asked",
        "replies",
    )

    def __init__(
        self,
        sock: RealSocket,
        request: bytes,
        limits: Limits,
        owner: LinkOwner[K_contra],
        key: K_contra,
        queue: CallbackQueue,
        credentials: Credentials,
    ) -> None:
        self._sock = sock
        self._request = request
        self._max = limits.max_reply_bytes
        self._max_fields = limits.max_fields
        self._uncounted = UNCOUNTED_BYTES * limits.max_fields  # bytes
        self._owner = owner
        self._key = key
        self._queue = queue
        self._credentials = credentials
        self._partial: bytearray | None = None
        self._tls = isinstance(sock, ssl.SSLSocket)
        self.asked = False  #: a reply is awaited
        self.replies = 0  #: replies read, error replies included
        # Always on, so that a server's end is seen at once and not at the next poll.
        self._watcher = gevent.get_hub().loop.io(sock.fileno(), _READ)
        self._watcher.start(self._readable)

    def ask(self) -> None:
        """Send the request; one of the callbacks tells how it went."""
        self.asked = True
        try:
            sent = self._sock.send(self._request)
        except OSError as error:
            self._lose(from_exception(error))
            return
        if sent != len(self._request):  # the server has stopped reading: its window is full
            self._lose(PollError("the server takes no requests", OTHER))

    def close(self) -> None:
        """Let go of the socket; no callback is called any more."""
        self._watcher.stop()
        self._watcher.close()
        self._sock.close()

    def _lose(self, error: PollError) -> None:
        self.close()
        self._owner.lost(self._key, error)

    def _readable(self) -> None:
        if self._queue.budget_spent():
            self._watcher.stop()
            self._queue.defer(self._go_on)
        else:
            self.read()

    def _go_on(self) -> None:
        if self._sock.fileno() >= 0:
            self._watcher.start(self._readable)
            self.read()

    def read(self) -> None:
        """Take what is there; one of the callbacks tells what it was."""
        try:
            if self._tls:
                # TLS holds decrypted bytes that the watcher knows nothing of.
                while self._read_once() and self._sock.fileno() >= 0:
                    pass
            else:
                self._read_once()
        except PollError as error:
            self._lose(error)
        except FOREIGN_ERRORS as error:  # the event loop must never see one
            self._lose(from_exception(error))

    def _read_once(self) -> bool:
        try:
            count = self._sock.recv_into(_buffer)
        except _WOULD_WAIT:
            return False
        if not self.asked or not count:
            raise _unwelcome(count)
        if self._partial is not None:
            self._partial += _view[:count]
            self._take(self._partial, len(self._partial))
            return True
        # By far most replies come whole, in one read; all else is looked at closer.
        end = _buffer.find(b"\r\n", 1, 16)
        if _buffer[0] == _DOLLAR and end > 0 and _buffer[1:end].isdigit():
            start, stop = end + 2, count - 2
            if int(_buffer[1:end]) == stop - start <= self._max:
                raw = bytes(_view[start:stop])
                if stop - start > self._uncounted:
                    self._require_few_fields(raw)
                self.asked = False
                self.replies += 1
                self._owner.answered(self._key, raw)
                return True
        self._take(_buffer, count)
        return True

    def _take(self, data: bytearray, count: int) -> None:
        end = data.find(b"\r\n", 0, min(count, _MAX_HEAD))
        if end < 0:
            if count >= _MAX_HEAD or data[0] not in b"$-":
                raise PollError("the server does not speak the Redis protocol", PROTOCOL)
            self._keep(data, count)
        elif data[0] == _DOLLAR:
            self._take_bulk(data, count, end)
        elif data[0] == _MINUS:
            self._take_error(data[1:end].decode("utf-8", "replace"), count - end - 2)
        else:
            raise PollError("the server answers INFO with something else", PROTOCOL)

    def _take_bulk(self, data: bytearray, count: int, end: int) -> None:
        digits = bytes(data[1:end])
        if not digits.isdigit():
            raise PollError("the server answers INFO with no text", PROTOCOL)
        length = int(digits)
        if length > self._max:
            raise PollError(too_long(length, self._max), PROTOCOL)
        start = end + 2
        missing = start + length + 2 - count
        if missing > 0:
            self._keep(data, count)
            return
        if missing < 0:
            raise PollError("the server sent more than the reply to INFO", PROTOCOL)
        with memoryview(data) as whole:
            raw = bytes(whole[start : start + length])
        self._partial = None
        self._require_few_fields(raw)
        self.asked = False
        self.replies += 1
        self._owner.answered(self._key, raw)

    def _require_few_fields(self, raw: bytes) -> None:
        if too_much := size_problem(raw, self._max_fields):
            raise PollError(too_much, PROTOCOL)

    def _take_error(self, line: str, rest: int) -> None:
        if rest:
            raise PollError("the server sent more than an error", PROTOCOL)
        self._partial = None
        self.asked = False
        self.replies += 1
        self._owner.refused(self._key, from_reply(line, self._credentials))

    def _keep(self, data: bytearray, count: int) -> None:
        if self._partial is None:
            self._partial = data[:count]


def _unwelcome(count: int) -> PollError:
    if count:
        return PollError("the server sent what nobody asked for", PROTOCOL)
    return PollError("connection closed by the server", OTHER)
