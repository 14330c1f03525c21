"""The connections of an asyncio Client: a request is sent on the newest, replies come from all.

A request without a reply is sent again on a newer connection; all requests that are sent again
share it. A connection is closed when no request is pending on it and it is not the newest. There is
no background task: while requests are pending, a future completes when the socket is readable.
"""

from __future__ import annotations

import asyncio
from typing import Any

from zinfo.client.sockets import Context, Socket, open_query, receive_reply, send_request
from zinfo.errors import ConfigError, ProtocolError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import Reply, Request, decode_reply_header


class PendingRequest:
    """One request without a reply so far.

    Attributes:
        request: the request.
        reply: a future for the reply with an undecoded body.
        connections: those on which the request was sent, oldest first.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.connections: list[Connection] = []

    def set_reply(self, reply: Reply) -> None:
        """Complete the future with the reply."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, error: Exception) -> None:
        """Complete the future with an error."""
        if not self.reply.done():
            self.reply.set_exception(error)

    def cancel(self) -> None:
        """Cancel the future: the reply is not wanted any more."""
        # This also keeps asyncio from logging an exception that was never retrieved.
        self.reply.cancel()


class Connection:
    """One socket, and the requests that are pending on it.

    Args:
        socket: of a `zmq.asyncio.Context`.
    """

    def __init__(self, socket: Socket) -> None:
        self.pending: dict[object, PendingRequest] = {}
        self._socket = socket
        self._readable: asyncio.Future[Any] | None = None

    def send(self, pending: PendingRequest) -> None:
        """Send a request, and accept its reply from now on."""
        self.pending[pending.request.id] = pending
        pending.connections.append(self)
        send_request(self._socket, pending.request)
        self._watch()

    def release(self, pending: PendingRequest) -> None:
        """Drop a pending request; a reply that still comes is ignored."""
        self.pending.pop(pending.request.id, None)
        if not self.pending:
            self._unwatch()

    def close(self) -> None:
        """Close the socket."""
        self._unwatch()
        self._socket.close(0)

    def _unwatch(self) -> None:
        if self._readable is not None:
            self._readable.cancel()
            self._readable = None

    def _watch(self) -> None:
        if self.pending and self._readable is None and not self._socket.closed:
            self._readable = _readable(self._socket)
            self._readable.add_done_callback(self._on_readable)

    def _on_readable(self, readable: asyncio.Future[Any]) -> None:
        if readable.cancelled() or readable is not self._readable:
            return
        self._readable = None
        try:
            readable.result()
            while (frames := receive_reply(self._socket)) is not None:
                self._on_reply(decode_reply_header(frames))
        except Exception as error:
            for pending in self.pending.values():
                pending.fail(error)
        else:
            self._watch()

    def _on_reply(self, reply: Reply) -> None:
        try:
            pending = self.pending.get(reply.id)
        except TypeError:  # an unhashable id, which no request has
            return
        if pending is not None:
            pending.set_reply(reply)


class ConnectionPool:
    """The connections of a Client.

    Args:
        context: creates the sockets.
        endpoint: the daemon's query endpoint.
        keys: CURVE keys; None for a daemon without CURVE.
    """

    def __init__(self, context: Context, endpoint: str, keys: ClientKeys | None) -> None:
        self._context = context
        self._endpoint = endpoint
        self._keys = keys
        self._connections: list[Connection] = []  # the last one is the newest
        self._needs_new = True  # whether the newest connection failed, or there is none

    def send(self, pending: PendingRequest) -> None:
        """Send a request on a connection on which it was not sent before.

        Raises:
            ConfigError: ZeroMQ rejects the endpoint.
        """
        if self._needs_new or self._connections[-1] in pending.connections:
            self._connections.append(self._open())
            self._needs_new = False
            self._close_unused()
        self._connections[-1].send(pending)

    def release(self, pending: PendingRequest, *, failed: bool) -> None:
        """Drop a request that is done.

        Args:
            pending: the request.
            failed: its newest connection gave no reply; the next request opens a new one.
        """
        pending.cancel()
        for connection in pending.connections:
            connection.release(pending)
        if failed and self._connections and self._connections[-1] in pending.connections:
            self._needs_new = True
        self._close_unused()

    def close(self) -> None:
        """Close all sockets; pending requests fail with ValueError."""
        for connection in self._connections:
            for pending in connection.pending.values():
                pending.fail(ValueError("this Client is closed"))
            connection.close()
        self._connections = []
        self._needs_new = True

    def _close_unused(self) -> None:
        used = [
            connection
            for connection in self._connections
            if connection.pending or (connection is self._connections[-1] and not self._needs_new)
        ]
        for connection in self._connections:
            if connection not in used:
                connection.close()
        self._connections = used
        self._needs_new = self._needs_new or not used

    def _open(self) -> Connection:
        try:
            return Connection(open_query(self._context, self._endpoint, self._keys))
        except ProtocolError as error:
            raise ConfigError([str(error)]) from error


def _readable(socket: Any) -> asyncio.Future[int]:
    readable: asyncio.Future[int] = socket.poll()  # an awaitable, of a `zmq.asyncio.Context`
    return readable
