"""Client for asyncio: sends requests to a daemon and returns the replies."""

from __future__ import annotations

import asyncio
import itertools
from typing import NamedTuple, TypeVar

import zmq.asyncio

from zinfo.aio.client_operations import ClientOperations
from zinfo.aio.closing import Closing
from zinfo.aio.connections import ConnectionPool, PendingRequest
from zinfo.aio.poller import context_for
from zinfo.client.endpoints import checked
from zinfo.client.requests import Attempts, Call, Map, Paging
from zinfo.client.sockets import clock
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT, Reply, Request

_Result = TypeVar("_Result")


class _Sent(NamedTuple):
    """A request that was sent, and the tries that are left for it."""

    pending: PendingRequest
    attempts: Attempts


class Client(ClientOperations, Closing):
    """Sends requests to a daemon, as `zinfo.client.Client` does. An asynchronous context manager.

    Many tasks may use one Client at once: their requests are in flight together on one connection,
    and each task gets its own reply. (A daemon handles 1,000 requests at a time, and answers
    further ones with `BusyError`.) Cancelling a call does not affect the others. Like a socket, a
    Client does not survive a fork.

    Every method may raise `NoAnswerError` (no reply came in time), `RequestError` (the daemon
    refused the request; the subclass and its `code` say why), `ProtocolError` (the peer at the
    endpoint does not speak zinfo's protocol) and `ValueError` (this Client is closed, or was closed
    while the call waited).

    Args:
        endpoint: the daemon's query endpoint.
        timeout: seconds for a call, retries included, if the call has no timeout of its own.
        retries: how often a request is sent again.
        context: creates the sockets; None for the process's default context.
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
        context: zmq.asyncio.Context | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        self.endpoint = checked(endpoint)
        super().__init__(timeout)
        self.retries = retries
        self.epoch: int | None = None
        self._connections = ConnectionPool(context_for(context), self.endpoint, keys)
        self._ids = itertools.count(1)
        self._closed = False

    async def open(self) -> None:
        """Do nothing: a Client connects with its first request."""

    async def close(self) -> None:
        """Close the sockets. Calls that wait for a reply raise ValueError."""
        self._closed = True
        self._connections.close()

    # --- requests

    async def _call(self, call: Call[_Result], timeout: float | None) -> _Result:
        # Request each page before decoding the previous one: both take about as long.
        paging, deadline = Paging(call.args), self._deadline(timeout)
        pages: list[Reply] = []
        sent: _Sent | None = self._send(call.op, paging.args, deadline)
        while sent is not None:
            reply = await self._await_reply(sent)
            paging.on_page(reply)
            sent = None if paging.done else self._send(call.op, paging.args, deadline)
            try:
                reply.decode_body()
            except BaseException:
                if sent is not None:
                    self._connections.release(sent.pending, failed=False)
                raise
            pages.append(reply)
        return call.read(pages)

    async def _exchange(self, op: str, args: Map, deadline: float) -> Reply:
        reply = await self._await_reply(self._send(op, args, deadline))
        reply.decode_body()
        return reply

    def _send(self, op: str, args: Map, deadline: float) -> _Sent:
        """Send a request."""
        if self._closed:
            raise ValueError("this Client is closed")
        pending = PendingRequest(Request(op, args, next(self._ids)))
        sent = _Sent(pending, Attempts(pending.request, self.retries, clock(), deadline))
        self._connections.send(pending)
        return sent

    async def _await_reply(self, sent: _Sent) -> Reply:
        """Return the reply with an undecoded body; without one, send the request again."""
        failed = True
        try:
            reply = await self._receive_reply(sent)
            failed = False
        except asyncio.CancelledError:
            failed = False  # says nothing about the connection
            raise
        finally:
            self._connections.release(sent.pending, failed=failed)
        self.epoch = reply.epoch
        if reply.error is not None:
            raise reply.error
        return reply

    async def _receive_reply(self, sent: _Sent) -> Reply:
        pending, attempts = sent
        while not pending.reply.done():
            await asyncio.wait([pending.reply], timeout=max(0.0, attempts.until - clock()))
            if not pending.reply.done():
                if not attempts.retry(clock()):
                    raise attempts.timeout_error(self.endpoint, clock())
                self._connections.send(pending)
        return pending.reply.result()
