"""The operations of the asyncio Client; those of the blocking Client are generated from this file.

After a change, run `python -m tests.client.unasync`. A line that is too long only because of
`async` or `await` would be formatted differently there; give such a call a trailing comma.
"""

from __future__ import annotations

import abc
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, TypeVar

from zinfo.client import requests
from zinfo.client.requests import Call, Map, Paging, RecentEvents
from zinfo.client.sockets import clock
from zinfo.wire.query_messages import Reply

_Result = TypeVar("_Result")


class ClientOperations(abc.ABC):
    """One method for each operation of a daemon.

    Args:
        timeout: seconds for a call, retries included, where the call has no timeout of its own.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    async def hello(self, *, timeout: float | None = None) -> Map:
        """Return what the daemon is: node, epoch, versions, bus, ops, limits, heartbeat, zinfo."""
        return await self._call(requests.hello(), timeout)

    async def get_infos(  # noqa: PLR0913 - those of GetInfos, and three of the wire
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
        """Return the INFO of shards, each with `meta`: shard_identifier, info_age, state and more.

        Args:
            shard_ids: of these shards; empty for every shard that was polled at least once.
            keys: only these fields; empty for all.
            allow_partial: a shard that is unknown or was never polled gets an entry with an `error`
                in its `meta`, instead of being an error of the call.
            max_age: seconds; leaves out older INFO. 0 for any age.
            prefix_matching: `keys` are prefixes of field names.
            sections: only fields of these sections, as the server names them.
            labels: only shards that have all of these labels.
            refresh: poll shards now whose INFO is older than `max_age`.
            limit: entries in a page of the reply; all pages are fetched.
            timeout: seconds for the whole call.

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
        self,
        shard_ids: Collection[str] = (),
        *,
        timeout: float | None = None,
        **arguments: Any,
    ) -> AsyncIterator[list[Map]]:
        """Yield what `get_infos` returns, page by page as it comes.

        Args:
            shard_ids: of these shards; empty for every shard that was polled at least once.
            timeout: seconds for each page.
            **arguments: any of `get_infos`.
        """
        call = requests.get_infos({"shard_ids": shard_ids, **arguments})
        paging = Paging(call.args)
        while not paging.done:
            page = await self._exchange(call.op, paging.args, self._deadline(timeout))
            paging.on_page(page)
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
        self,
        ids: Collection[str] = (),
        *,
        timeout: float | None = None,
    ) -> list[Map]:
        """Return shards with INFO, revision and state, as a mirror needs them."""
        return await self._call(requests.snapshot(ids), timeout)

    async def events(
        self,
        since: int = 0,
        ids: Collection[str] = (),
        *,
        timeout: float | None = None,
    ) -> RecentEvents:
        """Return the lifecycle events that the daemon has stored.

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
        """Send any request, and return the reply as it came.

        Args:
            op: name of the operation.
            timeout: seconds, retries included.
            **args: arguments of the operation.
        """
        return await self._exchange(op, args, self._deadline(timeout))

    def _deadline(self, timeout: float | None) -> float:
        return clock() + (self.timeout if timeout is None else timeout)

    @abc.abstractmethod
    async def _call(self, call: Call[_Result], timeout: float | None) -> _Result:
        """Request all pages of an operation, each one before the previous one is decoded."""

    @abc.abstractmethod
    async def _exchange(self, op: str, args: Map, deadline: float) -> Reply:
        """Send one request and return its reply."""
