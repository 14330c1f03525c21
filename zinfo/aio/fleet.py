"""Fleet for asyncio: several daemons that share the shards, as if they were one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import zmq.asyncio

from zinfo.aio.client import Client
from zinfo.aio.closing import Closing
from zinfo.aio.fleet_calls import FleetCalls
from zinfo.aio.fleet_operations import FleetOperations
from zinfo.aio.mirror import Mirror
from zinfo.client.fleet_endpoints import RESOLVE_INTERVAL, RETRY_INTERVAL, lookup
from zinfo.client.fleet_mapping import READY_CHECK_SECONDS, FleetMapping
from zinfo.client.fleet_members import FleetMember, FleetMembers, Member
from zinfo.client.fleet_mirrors import FleetMirrors
from zinfo.client.former_names import chosen_ids
from zinfo.client.mirror_base import check_selection
from zinfo.client.sockets import clock
from zinfo.errors import ZinfoError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT


class Fleet(FleetMapping, FleetOperations, Closing):
    """Several daemons that share the shards, as `zinfo.client.Fleet`. An async context manager.

    Many tasks may use one Fleet at once. It is a live copy of the shards of all daemons, too: the
    first use of the mapping, or `wait_ready`, starts a Mirror for each daemon, with a task each.
    `zinfo.client.Fleet` explains *fresh* and *stale*.

    Args:
        endpoints: the query endpoint of each daemon; one is valid. `dns+tcp://NAME:PORT` stands for
            all A and AAAA records of a name, which is looked up every 30 seconds, in a thread.
        shard_ids: ids of the shards in the live copy; None for all.
        labels: labels that a shard in the live copy has; None for any.
        fields: names of the fields in the live copy; None for all.
        timeout: seconds for a request, retries included.
        retries: how often a request is sent again to a daemon.
        context: creates the sockets; None for the process's default context.
        keys: CURVE keys (`ClientKeys.read`); None for daemons without CURVE.
        allow_missing: whether a result may lack the shards of silent daemons. Otherwise that is a
            `MissingSlicesError`.
        shards: the former name of `shard_ids`.

    Raises:
        ConfigError: an endpoint is invalid.
        TypeError: `shard_ids`, `labels`, `fields` or `context` has a wrong type.
    """

    def __init__(  # noqa: PLR0913 - one is the former name of another
        self,
        endpoints: str | Collection[str] = DEFAULT_QUERY_ENDPOINT,
        *,
        shard_ids: Collection[str] | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Collection[str] | None = None,
        timeout: float = 5.0,
        retries: int = 1,
        context: zmq.asyncio.Context | None = None,
        keys: ClientKeys | None = None,
        allow_missing: bool = False,
        shards: Collection[str] | None = None,
    ) -> None:
        self.timeout = timeout
        self.retries = retries
        self.allow_missing = allow_missing
        shard_ids = chosen_ids(shard_ids, shards, "shards")
        check_selection(shard_ids, labels, fields)
        self._shards, self._labels, self._fields = shard_ids, labels, fields
        self._keys = keys
        self._context = context
        self._fleet = FleetMembers(endpoints, self._new_client)
        super().__init__(FleetMirrors(self._fleet, self._new_mirror))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._calls: set[asyncio.Task[None]] = set()
        self._names_task: asyncio.Task[None] | None = None
        self._looked_up = asyncio.Event()  # each name once

    def __repr__(self) -> str:
        return f"<Fleet {' '.join(member.endpoint for member in self.members)}>"

    @property
    def members(self) -> tuple[FleetMember, ...]:
        """The daemons, as far as they are known now; `find_members` asks them."""
        return self._mirrors.members()

    async def open(self) -> None:
        """Start to look up the names among the endpoints, unless that is done."""
        if self._closing:
            raise ValueError("this Fleet is closed")
        self._loop = asyncio.get_running_loop()
        if self._names_task is None and self._fleet.names:
            self._names_task = asyncio.create_task(self._follow_names(), name="zinfo-names")

    async def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until the live copy has all shards and none is stale; opens the Fleet first.

        Args:
            timeout: seconds.

        Raises:
            MissingSlicesError: the time has passed, and so many daemons are silent that shards may
                be missing.
            NoAnswerError: the time has passed, and some shards are stale.
        """
        deadline = clock() + timeout
        if not self._closing:
            await self.open()
        while self.stale:
            if self._closing or clock() >= deadline:
                raise self._not_ready(timeout)
            await asyncio.sleep(READY_CHECK_SECONDS)

    async def close(self) -> None:
        """Close the sockets, and end all tasks. The live copy stays readable, and is stale."""
        self._closing = True
        for mirror in self._mirrors.end():
            await mirror.close()
        tasks = [*self._calls, *filter(None, [self._names_task])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for member in self._fleet.current():
            await member.client.close()

    # --- requests

    def _new_client(self, endpoint: str) -> Client:
        return Client(
            endpoint,
            timeout=self.timeout,
            retries=self.retries,
            context=self._context,
            keys=self._keys,
        )

    def _new_mirror(self, endpoint: str) -> Mirror:
        if self._loop is None:  # the mapping is used before `open`, which is fine in the event loop
            self._loop = asyncio.get_running_loop()
        mirror = Mirror(
            endpoint,
            shard_ids=self._shards,
            labels=self._labels,
            fields=self._fields,
            context=self._context,
            keys=self._keys,
        )
        mirror._state.watch_sources()
        self._loop.call_soon_threadsafe(mirror._start)
        return mirror

    async def _current(self, timeout: float | None = None) -> list[Member[Client]]:
        """Return the daemons; wait until each name has been looked up once."""
        await self.open()
        if self._names_task is not None and not self._looked_up.is_set():
            seconds = self.timeout if timeout is None else timeout
            waiting = asyncio.ensure_future(self._looked_up.wait())
            await asyncio.wait([waiting], timeout=seconds)
            waiting.cancel()
        return self._fleet.current()

    def _new_calls(self) -> FleetCalls:
        return FleetCalls(self._calls)

    # --- names

    async def _follow_names(self) -> None:
        """Look the names up, again and again."""
        while True:
            for name in self._fleet.names:
                try:
                    found = await asyncio.to_thread(lookup, name)
                    gone = self._fleet.on_addresses(name, found, self._mirrors.answers)
                except ZinfoError as error:
                    self._fleet.on_lookup_error(name, error)
                else:
                    for member in gone:
                        await member.client.close()
            for mirror in self._mirrors.update():
                await mirror.close()
            self._looked_up.set()
            await asyncio.sleep(RETRY_INTERVAL if self._fleet.unresolved else RESOLVE_INTERVAL)
