"""The sockets of a Client: requests go out on the newest, replies are taken from all, by their ids.

A request whose answer does not come is asked again on a newer line than it was asked on before; all
that wait share that one. A line goes when nobody waits for anything on it and it is not the newest.
No task is needed: while somebody waits on a line, a future tells when it can be read.
"""

from __future__ import annotations

import asyncio
from typing import Any

from zinfo.client.sockets import Context, Socket, open_query, receive_reply, send_request
from zinfo.errors import ConfigError, ProtocolError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import Reply, Request, decode_reply_header


class Waiting:
    """One request that waits for its reply.

    Attributes:
        request: it.
        reply: is set to the reply, its body as it came, or to what went wrong.
        lines: those that it was asked on, oldest first.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.lines: list[Line] = []

    def answer(self, reply: Reply) -> None:
        """The reply came."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, error: Exception) -> None:
        """None will come."""
        if not self.reply.done():
            self.reply.set_exception(error)

    def forget(self) -> None:
        """Nobody will look at the reply any more."""
        # Even where an error came: asyncio does not say then that nobody took it.
        self.reply.cancel()


class Line:
    """One socket, and who waits for replies on it.

    Args:
        socket: of a `zmq.asyncio.Context`.
    """

    def __init__(self, socket: Socket) -> None:
        self.waiting: dict[object, Waiting] = {}
        self._socket = socket
        self._readable: asyncio.Future[Any] | None = None

    def ask(self, waiting: Waiting) -> None:
        """Send a request; its reply is taken from now on."""
        self.waiting[waiting.request.id] = waiting
        waiting.lines.append(self)
        send_request(self._socket, waiting.request)
        self._listen()

    def leave(self, waiting: Waiting) -> None:
        """Wait no more for this reply; should it come, it is dropped."""
        self.waiting.pop(waiting.request.id, None)
        if not self.waiting:
            self._rest()

    def close(self) -> None:
        """Close the socket."""
        self._rest()
        self._socket.close(0)

    def _rest(self) -> None:
        if self._readable is not None:
            self._readable.cancel()
            self._readable = None

    def _listen(self) -> None:
        if self.waiting and self._readable is None and not self._socket.closed:
            self._readable = _readable(self._socket)
            self._readable.add_done_callback(self._arrived)

    def _arrived(self, readable: asyncio.Future[Any]) -> None:
        if readable.cancelled() or readable is not self._readable:
            return
        self._readable = None
        try:
            readable.result()
            while (frames := receive_reply(self._socket)) is not None:
                self._take(decode_reply_header(frames))
        except Exception as error:
            for waiting in self.waiting.values():
                waiting.fail(error)
        else:
            self._listen()

    def _take(self, reply: Reply) -> None:
        try:
            waiting = self.waiting.get(reply.id)
        except TypeError:  # an id that no request of ours has, and that cannot be looked up
            return
        if waiting is not None:
            waiting.answer(reply)


class Lines:
    """The lines of a Client.

    Args:
        context: makes the sockets.
        endpoint: where to.
        keys: by which client and daemon know each other; None where the daemon asks for none.
    """

    def __init__(self, context: Context, endpoint: str, keys: ClientKeys | None) -> None:
        self._context = context
        self._endpoint = endpoint
        self._keys = keys
        self._lines: list[Line] = []  # the last one is the newest
        self._spoilt = True  # whether the newest is not to be used for a request that is new

    def ask(self, waiting: Waiting) -> None:
        """Send a request on a line that it was not asked on before.

        Raises:
            ConfigError: ZeroMQ does not take the endpoint.
        """
        if self._spoilt or self._lines[-1] in waiting.lines:
            self._lines.append(self._open())
            self._spoilt = False
            self._tidy()
        self._lines[-1].ask(waiting)

    def leave(self, waiting: Waiting, *, failed: bool) -> None:
        """A request is over.

        Args:
            waiting: the request.
            failed: it found its newest line to be of no use; the next request opens another.
        """
        waiting.forget()
        for line in waiting.lines:
            line.leave(waiting)
        if failed and self._lines and self._lines[-1] in waiting.lines:
            self._spoilt = True
        self._tidy()

    def close(self) -> None:
        """Close all sockets; whoever waits is told so."""
        for line in self._lines:
            for waiting in line.waiting.values():
                waiting.fail(ValueError("this Client is closed"))
            line.close()
        self._lines = []
        self._spoilt = True

    def _tidy(self) -> None:
        """Close what nobody needs."""
        kept = [
            line
            for line in self._lines
            if line.waiting or (line is self._lines[-1] and not self._spoilt)
        ]
        for line in self._lines:
            if line not in kept:
                line.close()
        self._lines = kept
        self._spoilt = self._spoilt or not kept

    def _open(self) -> Line:
        try:
            return Line(open_query(self._context, self._endpoint, self._keys))
        except ProtocolError as error:
            raise ConfigError([str(error)]) from error


def _readable(socket: Any) -> asyncio.Future[int]:
    readable: asyncio.Future[int] = socket.poll()  # an awaitable, of a `zmq.asyncio.Context`
    return readable
