"""The hot path: requests INFO on a shard's connection and reads the raw reply by I/O watcher.

Uses no greenlet and no redis-py: everything runs in callbacks of the event loop, which must not
block. The reply is a bulk string of the Redis serialization protocol, RESP
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
from zinfo.poll.limits import PollLimits, reply_too_long

RealSocket = socket.socket

K_contra = TypeVar("K_contra", contravariant=True)

_MAX_HEAD = 512  # bytes of the longest first line accepted: `$<length>` or an error reply
_DOLLAR, _MINUS = b"$-"  # first byte of a bulk string and of an error
_READ = 1  # libev's event for readable

# Shared by all connections: a callback copies its reply out before the next callback runs.
_buffer = bytearray(256 * 1024)
_view = memoryview(_buffer)

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError)
"""What reading raises if no bytes have arrived."""


class ConnectionHandler(Protocol[K_contra]):
    """Receives the results of connections; its methods must not block."""

    def on_reply(self, key: K_contra, raw: bytes) -> None:
        """Handle the raw INFO text of a reply."""

    def on_error_reply(self, key: K_contra, error: PollError) -> None:
        """Handle an error reply; the connection stays open."""

    def on_close(self, key: K_contra, error: PollError) -> None:
        """Handle the error that closed the connection; called once."""


class InfoConnection(Generic[K_contra]):
    """Owns the connected socket of a shard.

    Args:
        sock: connected, authenticated and non-blocking.
        request: the bytes of the INFO command.
        limits: size limits of a reply.
        handler: its methods are called with `key` and the result.
        key: identifies this connection to the handler.
        queue: defers reading when an iteration of the event loop has taken too long.
        credentials: those sent to the server; they are removed from its error texts.

    Attributes:
        reply_pending: a request was sent and its reply has not been read.
        replies: how many replies were read, error replies included.
    """

    __slots__ = (
        "_credentials",
        "_handler",
        "_key",
        "_max",
        "_max_fields",
        "_partial",
        "_queue",
        "_request",
        "_sock",
        "_tls",
        "_uncounted",
        "_watcher",
        "replies",
        "reply_pending",
    )

    def __init__(
        self,
        sock: RealSocket,
        request: bytes,
        limits: PollLimits,
        handler: ConnectionHandler[K_contra],
        key: K_contra,
        queue: CallbackQueue,
        credentials: Credentials,
    ) -> None:
        self._sock = sock
        self._request = request
        self._max = limits.max_reply_bytes
        self._max_fields = limits.max_fields
        self._uncounted = UNCOUNTED_BYTES * limits.max_fields  # bytes
        self._handler = handler
        self._key = key
        self._queue = queue
        self._credentials = credentials
        self._partial: bytearray | None = None
        self._tls = isinstance(sock, ssl.SSLSocket)
        self.reply_pending = False
        self.replies = 0
        # Active all the time, so that a closed connection is noticed at once, not at the next poll.
        self._watcher = gevent.get_hub().loop.io(sock.fileno(), _READ)
        self._watcher.start(self._readable)

    def send_request(self) -> None:
        """Send the INFO command; the handler receives the result."""
        self.reply_pending = True
        try:
            sent = self._sock.send(self._request)
        except OSError as error:
            self._fail(from_exception(error))
            return
        if sent != len(self._request):  # the server has stopped reading: its TCP window is full
            self._fail(PollError("the server does not read requests", OTHER))

    def close(self) -> None:
        """Close the socket; the handler is not called any more."""
        self._watcher.stop()
        self._watcher.close()
        self._sock.close()

    def _fail(self, error: PollError) -> None:
        self.close()
        self._handler.on_close(self._key, error)

    def _readable(self) -> None:
        if self._queue.budget_spent():
            self._watcher.stop()
            self._queue.defer(self._resume)
        else:
            self.read()

    def _resume(self) -> None:
        if self._sock.fileno() >= 0:
            self._watcher.start(self._readable)
            self.read()

    def read(self) -> None:
        """Read the bytes that have arrived; the handler receives a complete reply or an error."""
        try:
            if self._tls:
                # The TLS layer may hold decrypted bytes, for which the watcher does not fire.
                while self._read_once() and self._sock.fileno() >= 0:
                    pass
            else:
                self._read_once()
        except PollError as error:
            self._fail(error)
        except FOREIGN_ERRORS as error:  # must not reach the event loop
            self._fail(from_exception(error))

    def _read_once(self) -> bool:
        try:
            count = self._sock.recv_into(_buffer)
        except WOULD_BLOCK:
            return False
        if not self.reply_pending or not count:
            raise unexpected_read(count)
        if self._partial is not None:
            self._partial += _view[:count]
            self._parse(self._partial, len(self._partial))
            return True
        # Most replies arrive whole in one read; every other case is handled by `_parse`.
        end = _buffer.find(b"\r\n", 1, 16)
        if _buffer[0] == _DOLLAR and end > 0 and _buffer[1:end].isdigit():
            start, stop = end + 2, count - 2
            if int(_buffer[1:end]) == stop - start <= self._max:
                raw = bytes(_view[start:stop])
                if stop - start > self._uncounted:
                    self._check_field_count(raw)
                self.reply_pending = False
                self.replies += 1
                self._handler.on_reply(self._key, raw)
                return True
        self._parse(_buffer, count)
        return True

    def _parse(self, data: bytearray, count: int) -> None:
        end = data.find(b"\r\n", 0, min(count, _MAX_HEAD))
        if end < 0:
            if count >= _MAX_HEAD or data[0] not in b"$-":
                raise PollError("the server does not speak the Redis protocol", PROTOCOL)
            self._save_partial(data, count)
        elif data[0] == _DOLLAR:
            self._parse_bulk(data, count, end)
        elif data[0] == _MINUS:
            self._parse_error(data[1:end].decode("utf-8", "replace"), count - end - 2)
        else:
            raise PollError("the reply to INFO is not a bulk string", PROTOCOL)

    def _parse_bulk(self, data: bytearray, count: int, end: int) -> None:
        digits = bytes(data[1:end])
        if not digits.isdigit():
            raise PollError("the reply to INFO has no valid length", PROTOCOL)
        length = int(digits)
        if length > self._max:
            raise PollError(reply_too_long(length, self._max), PROTOCOL)
        start = end + 2
        missing = start + length + 2 - count
        if missing > 0:
            self._save_partial(data, count)
            return
        if missing < 0:
            raise PollError("the server sent more than the reply to INFO", PROTOCOL)
        with memoryview(data) as whole:
            raw = bytes(whole[start : start + length])
        self._partial = None
        self._check_field_count(raw)
        self.reply_pending = False
        self.replies += 1
        self._handler.on_reply(self._key, raw)

    def _check_field_count(self, raw: bytes) -> None:
        if problem := size_problem(raw, self._max_fields):
            raise PollError(problem, PROTOCOL)

    def _parse_error(self, line: str, extra: int) -> None:
        if extra:
            raise PollError("the server sent more than the error reply", PROTOCOL)
        self._partial = None
        self.reply_pending = False
        self.replies += 1
        self._handler.on_error_reply(self._key, from_reply(line, self._credentials))

    def _save_partial(self, data: bytearray, count: int) -> None:
        if self._partial is None:
            self._partial = data[:count]


def unexpected_read(count: int) -> PollError:
    """Return the error for bytes that were not requested, or for the end of the stream.

    Args:
        count: number of bytes; 0 at the end.
    """
    if count:
        return PollError("the server sent data without a request", PROTOCOL)
    return PollError("connection closed by the server", OTHER)
