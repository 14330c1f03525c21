"""Client for asyncio: questions to the daemon, and their answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

import zmq.asyncio

from zinfo.aio.closing import Closing
from zinfo.aio.connections import Lines, Waiting
from zinfo.aio.poller import context_for
from zinfo.client import requests
from zinfo.client.endpoints import checked
from zinfo.client.requests import Attempts, Call, Map, Paging, RecentEvents
from zinfo.client.sockets import clock
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT, Reply, Request

_Result = TypeVar("_Result")


class _Asked(NamedTuple):
    """A request that was sent.

    Attributes:
        waiting: for its reply.
        attempts: those that are left.
    """

    waiting: Waiting
    attempts: Attempts


class Client(Closing):
    """Asks a daemon, as `zinfo.client.Client` does.

    Many tasks may use one Client at once: their requests are under way together, on one connection,
    and each gets its own reply. (A daemon takes 1,000 at a time, and answers more with
    `BusyError`.) A call that is cancelled disturbs no other. Like a socket, a Client does not
    survive a fork.

    Args:
        endpoint: the daemon's query endpoint.
        timeout: seconds for a call, retries included, where the call does not say.
        retries: how often a request is asked again.
        context: makes the sockets; None for this process's own.
        keys: by which client and daemon know each other (`ClientKeys.read`); None where the daemon
            asks for none.

    Raises:
        ConfigError: an endpoint that is none.

    Every method raises:
        NoAnswerError: nothing answered in time.
        RequestError: the daemon refused; the subclass and `code` tell why.
        ProtocolError: what answers there does not speak zinfo's wire.
        ValueError: this Client is closed, or was while the call waited.
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
        self.timeout = timeout
        self.retries = retries
        self._lines = Lines(context_for(context), self.endpoint, keys)
        self._ids = itertools.count(1)
        self._closed = False

    async def open(self) -> None:
        """Do nothing: a Client connects with its first question."""

    async def close(self) -> None:
        """Close the sockets. Calls that wait for an answer raise ValueError."""
        self._closed = True
        self._lines.close()

    # --- operations

    async def hello(self, *, timeout: float | None = None) -> Map:
        """Return what the daemon is: node, epoch, versions, bus, ops, limits, heartbeat, zinfo."""
        return await self._call(requests.hello(), timeout)

    async def get_infos(  # noqa: PLR0913 - those of the blocking Client
        self,
        shard_ids: Collection[str] = (),
        keys: Collection[str] = (),
        allow_partial: bool = False,
        max_age: float = 0.0,
        prefix_matching: bool = False,
        *,
        sections: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        refresh: bool = False,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> list[Map]:
        """Return the INFO of shards; see `zinfo.client.Client.get_infos` for the arguments.

        Raises:
            UnknownShardError, NotPolledError: both are KeyErrors; not with `allow_partial`.
        """
        arguments = {
            "shard_ids": shard_ids,
            "keys": keys,
            "allow_partial": allow_partial,
            "max_age": max_age,
            "prefix_matching": prefix_matching,
            "sections": sections,
            "labels": labels,
            "refresh": refresh,
            "limit": limit,
        }
        return await self._call(requests.get_infos(arguments), timeout)

    async def iter_infos(
        self, shard_ids: Collection[str] = (), *, timeout: float | None = None, **arguments: Any
    ) -> AsyncIterator[list[Map]]:
        """Yield what `get_infos` returns, page by page as it comes.

        Args:
            shard_ids: of whom; empty for every shard that was polled at least once.
            timeout: seconds for each page.
            **arguments: any of `get_infos`.
        """
        call = requests.get_infos({"shard_ids": shard_ids, **arguments})
        paging = Paging(call.args)
        while not paging.done:
            page = await self._exchange(call.op, paging.args, self._deadline(timeout))
            paging.took(page)
            yield call.read([page])

    async def shards(
        self,
        ids: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> list[Map]:
        """Return what the daemon knows of shards beside their INFO: state, reason, age and more."""
        return await self._call(requests.shards(ids, labels), timeout)

    async def snapshot(
        self, ids: Collection[str] = (), *, timeout: float | None = None
    ) -> list[Map]:
        """Return shards with INFO, revision and state, as a mirror needs them."""
        return await self._call(requests.snapshot(ids), timeout)

    async def events(
        self, since: int = 0, ids: Collection[str] = (), *, timeout: float | None = None
    ) -> RecentEvents:
        """Return the lifecycle events that the daemon still holds.

        Args:
            since: number of the last event that is known already; 0 for all.
            ids: of these shards; empty for all.
            timeout: seconds for the whole call.
        """
        return await self._call(requests.events(since, ids), timeout)

    async def stats(self, *, timeout: float | None = None) -> Map:
        """Return the daemon's own counters."""
        return await self._call(requests.stats(), timeout)

    async def ping(self, *, timeout: float | None = None) -> float:
        """Return the daemon's wall clock, seconds since the Unix epoch."""
        return await self._call(requests.ping(), timeout)

    async def request(self, op: str, /, *, timeout: float | None = None, **args: Any) -> Reply:
        """Ask anything, and return the reply as it came.

        Args:
            op: name of the operation.
            timeout: seconds, retries included.
            **args: arguments of the operation.
        """
        return await self._exchange(op, args, self._deadline(timeout))

    # --- asking

    def _deadline(self, timeout: float | None) -> float:
        return clock() + (self.timeout if timeout is None else timeout)

    async def _call(self, call: Call[_Result], timeout: float | None) -> _Result:
        """Ask for all pages, each before the one before it is decoded: that takes as long."""
        paging, deadline = Paging(call.args), self._deadline(timeout)
        pages: list[Reply] = []
        asked: _Asked | None = self._ask(call.op, paging.args, deadline)
        while asked is not None:
            reply = await self._answer(asked)
            paging.took(reply)
            asked = None if paging.done else self._ask(call.op, paging.args, deadline)
            try:
                reply.decode_body()
            except BaseException:
                if asked is not None:
                    self._lines.leave(asked.waiting, failed=False)
                raise
            pages.append(reply)
        return call.read(pages)

    async def _exchange(self, op: str, args: Map, deadline: float) -> Reply:
        reply = await self._answer(self._ask(op, args, deadline))
        reply.decode_body()
        return reply

    def _ask(self, op: str, args: Map, deadline: float) -> _Asked:
        """Send a request for the first time."""
        if self._closed:
            raise ValueError("this Client is closed")
        waiting = Waiting(Request(op, args, next(self._ids)))
        asked = _Asked(waiting, Attempts(waiting.request, self.retries, clock(), deadline))
        self._lines.ask(waiting)
        return asked

    async def _answer(self, asked: _Asked) -> Reply:
        """Return the reply, its body as it came; where none comes, ask again on another line."""
        failed = True
        try:
            reply = await self._reply(asked)
            failed = False
        except asyncio.CancelledError:
            failed = False  # says nothing about the line
            raise
        finally:
            self._lines.leave(asked.waiting, failed=failed)
        if reply.error is not None:
            raise reply.error
        return reply

    async def _reply(self, asked: _Asked) -> Reply:
        waiting, attempts = asked
        while not waiting.reply.done():
            await asyncio.wait([waiting.reply], timeout=max(0.0, attempts.until - clock()))
            if not waiting.reply.done():
                if not attempts.again(clock()):
                    raise attempts.failed(self.endpoint, clock())
                self._lines.ask(waiting)
        return waiting.reply.result()
