"""Client: sends requests to a daemon and returns the replies."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from typing import TypeVar

import zmq

from zinfo.client.client_operations import ClientOperations
from zinfo.client.closing import Closing
from zinfo.client.endpoints import checked
from zinfo.client.requests import Attempts, Call, Map, Paging
from zinfo.client.sockets import (
    MAX_POLL_SECONDS,
    Context,
    Socket,
    clock,
    open_query,
    receive_reply,
    send_request,
    wait,
)
from zinfo.errors import ConfigError, ProtocolError, RequestError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT, Reply, Request, decode_reply_header

_Result = TypeVar("_Result")


class Client(ClientOperations, Closing):
    """Sends requests to a daemon. A context manager: leaving it closes the sockets.

    A request without a reply after its share of the timeout is sent again on a new socket; the
    reply to the first one is still accepted if it comes. Operations only read, so that repeating
    them is harmless.

    A Client handles one call at a time: use one in each thread (or greenlet). Like a socket it does
    not survive a fork.

    Every method may raise `NoAnswerError` (no reply came in time), `RequestError` (the daemon
    refused the request; the subclass and its `code` say why) and `ProtocolError` (the peer at the
    endpoint does not speak zinfo's protocol).

    Args:
        endpoint: the daemon's query endpoint.
        timeout: seconds for a call, retries included, if the call has no timeout of its own.
        retries: how often a request is sent again.
        context: creates the sockets; a `zmq.green.Context` in a process patched by gevent. None for
            the process's default context.
        keys: CURVE keys (`ClientKeys.read`); None for a daemon without CURVE.

    Raises:
        ConfigError: the endpoint is invalid.

    Attributes:
        epoch: of the daemon that sent the newest reply; None before the first.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_QUERY_ENDPOINT,
        *,
        timeout: float = 5.0,
        retries: int = 1,
        context: Context | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        self.endpoint = checked(endpoint)
        super().__init__(timeout)
        self.retries = retries
        self.epoch: int | None = None
        self._keys = keys
        self._context: Context = context or zmq.Context.instance()
        self._sockets: list[Socket] = []  # requests go to the last one; replies may come from all
        self._ids = itertools.count(1)
        self._busy = threading.Lock()
        self._closed = False
        self._poll_seconds = MAX_POLL_SECONDS  # until a waiting call notices that it is closed

    def close(self) -> None:
        """Close the sockets. A call that waits in another thread ends with ValueError first."""
        self._closed = True
        waited = self._busy.acquire(timeout=2 * self._poll_seconds)  # its thread owns the sockets
        self._drop_sockets()
        if waited:
            self._busy.release()

    # --- requests

    def _call(self, call: Call[_Result], timeout: float | None) -> _Result:
        # Request each page before decoding the previous one: both take about as long.
        paging, deadline = Paging(call.args), self._deadline(timeout)
        pages: list[Reply] = []
        with self._exclusive():
            sent: Attempts | None = self._send(call.op, paging.args, deadline)
            while sent is not None:
                reply = self._await_reply(sent)
                paging.on_page(reply)
                sent = None if paging.done else self._send(call.op, paging.args, deadline)
                reply.decode_body()
                pages.append(reply)
        return call.read(pages)

    def _exchange(self, op: str, args: Map, deadline: float) -> Reply:
        with self._exclusive():
            reply = self._await_reply(self._send(op, args, deadline))
            reply.decode_body()
        return reply

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        if self._closed:
            raise ValueError("this Client is closed")
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("a Client handles one call at a time; use one in each thread")
        try:
            yield
        except RequestError:
            raise  # a reply, too: the socket is in order
        except BaseException:
            self._drop_sockets()  # a reply in transit must not meet the next request
            raise
        finally:
            self._busy.release()

    def _send(self, op: str, args: Map, deadline: float) -> Attempts:
        """Send a request."""
        sent = Attempts(Request(op, args, next(self._ids)), self.retries, clock(), deadline)
        if not self._sockets:
            self._sockets.append(self._open())
        send_request(self._sockets[-1], sent.request)
        return sent

    def _await_reply(self, sent: Attempts) -> Reply:
        """Return the reply with an undecoded body; without one, send the request again."""
        while (reply := self._receive_reply(sent.request.id, sent.until)) is None:
            if not sent.retry(clock()):
                raise sent.timeout_error(self.endpoint, clock())
            self._sockets.append(self._open())
            send_request(self._sockets[-1], sent.request)
        self.epoch = reply.epoch
        if reply.error is not None:
            raise reply.error
        return reply

    def _open(self) -> Socket:
        try:
            return open_query(self._context, self.endpoint, self._keys)
        except ProtocolError as error:
            raise ConfigError([str(error)]) from error

    def _receive_reply(self, request_id: object, until: float) -> Reply | None:
        """Return the reply with this id, or None after `until`; other replies are dropped."""
        while True:
            for socket in self._sockets:
                while (frames := receive_reply(socket)) is not None:
                    reply = decode_reply_header(frames)
                    if reply.id == request_id:
                        self._drop_sockets(keep=socket)
                        return reply
            if self._closed:
                raise ValueError("this Client is closed")
            left = until - clock()
            if left <= 0:
                return None
            wait(self._sockets, min(left, self._poll_seconds))

    def _drop_sockets(self, keep: Socket | None = None) -> None:
        for socket in self._sockets:
            if socket is not keep:
                socket.close(0)
        self._sockets = [] if keep is None else [keep]
