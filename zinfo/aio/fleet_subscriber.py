"""FleetSubscriber for asyncio: iterates over the updates of daemons that share the shards."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import zmq
import zmq.asyncio

from zinfo.aio.closing import Closing
from zinfo.aio.poller import Waiter, context_for
from zinfo.client.fleet_endpoints import RESOLVE_INTERVAL, RETRY_INTERVAL
from zinfo.client.fleet_subscriber_base import FleetSubscriberBase
from zinfo.client.fleet_updates import FleetUpdate
from zinfo.client.former_names import chosen_ids
from zinfo.client.mirror_base import FAILURE_PAUSE
from zinfo.client.sockets import clock
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT


class FleetSubscriber(FleetSubscriberBase, Closing):
    """Iterates over what several daemons publish, as `zinfo.client.FleetSubscriber` does.

    `zinfo.client.FleetSubscriber` explains the updates. A task of the event loop receives, from
    `async with` (or `open`) on. Cancelling a `recv` loses no update.

    Args:
        endpoints: the query endpoint of each daemon; one is valid. `dns+tcp://NAME:PORT` stands for
            all A and AAAA records of a name, which is looked up every 30 seconds, in a thread.
        shard_ids: ids of the wanted shards, which need not exist yet; empty for all.
        kinds: "delta" (what each poll changed) or "info" (the whole INFO instead, of the newest
            poll when the consumer is ready for it); "event" (lifecycle).
        labels: labels that a wanted shard has; None for any.
        fields: names of the wanted fields; None for all. A poll that changed none of them gives no
            Delta.
        context: creates the sockets; None for the process's default context.
        timeout: seconds in which the first copies of all shards have to be received. Afterwards,
            `open` returns nevertheless if any daemon has answered.
        keys: CURVE keys (`ClientKeys.read`); None for daemons without CURVE.
        shards: the former name of `shard_ids`.

    Raises:
        ConfigError: an endpoint is invalid.
        ValueError: a kind is unknown, or there is none.
    """

    def __init__(
        self,
        endpoints: str | Collection[str] = DEFAULT_QUERY_ENDPOINT,
        *,
        shard_ids: Collection[str] = (),
        kinds: Collection[str] = (KIND_DELTA, KIND_EVENT),
        labels: Mapping[str, str] | None = None,
        fields: Collection[str] | None = None,
        context: zmq.asyncio.Context | None = None,
        timeout: float = 5.0,
        keys: ClientKeys | None = None,
        shards: Collection[str] | None = None,
    ) -> None:
        super().__init__(
            endpoints,
            shards=chosen_ids(shard_ids, shards, "shards"),
            kinds=kinds,
            labels=labels,
            fields=fields,
            context=context_for(context),
            timeout=timeout,
            keys=keys,
        )
        self._waiter = Waiter()
        self._task: asyncio.Task[None] | None = None
        self._names_task: asyncio.Task[None] | None = None
        self._ready = False
        self._waiters: set[asyncio.Future[None]] = set()

    def __aiter__(self) -> FleetSubscriber:
        return self

    async def __anext__(self) -> FleetUpdate:
        while not self._closing:
            update = await self._receive(None)
            if update is not None:
                return update
        raise StopAsyncIteration

    async def open(self) -> None:
        """Start to receive, and wait for the first copies of all shards, unless that is done.

        Raises:
            NoAnswerError: no daemon has answered in time; the FleetSubscriber is closed then.
        """
        self._check_open()
        if self._ready:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="zinfo-fleet")
        if self._names_task is None and self._fleet.names:
            self._names_task = asyncio.create_task(self._follow_names(), name="zinfo-names")
        deadline = clock() + self._timeout
        try:
            while not self._is_ready_now(deadline):
                await self._wait(deadline - clock())
                self._check_open()
        except BaseException:
            await self.close()
            raise
        self._ready = True

    async def recv(self, timeout: float | None = None) -> FleetUpdate | None:
        """Return the next update; opens the FleetSubscriber first.

        Args:
            timeout: seconds to wait for one; None for no limit.

        Returns:
            The update; None if none came in time.

        Raises:
            NoAnswerError: no daemon has answered in time.
            ValueError: this FleetSubscriber is closed.
        """
        self._check_open()
        update = await self._receive(timeout)
        self._check_open()
        return update

    async def close(self) -> None:
        """Stop the task, close the sockets, and drop the updates that were not yet returned."""
        self._closing = True
        self._notify()
        self._waiter.wake()
        if self._names_task is not None:
            self._names_task.cancel()
            await asyncio.wait([self._names_task])
        if self._task is not None:
            await asyncio.wait([self._task])

    # --- waiting

    def _is_ready_now(self, deadline: float) -> bool:
        with self._lock:
            return self._is_ready(deadline)

    async def _receive(self, timeout: float | None) -> FleetUpdate | None:
        """Return the next update; None where none came in time, or this was closed."""
        await self.open()
        deadline = None if timeout is None else clock() + timeout
        await asyncio.sleep(0)  # an iteration over many updates yields to other tasks
        while not self._closing:
            with self._lock:
                update = self._next()
            left = None if deadline is None else deadline - clock()
            if update is not None or (left is not None and left <= 0):
                return update
            await self._wait(left)
        return None

    async def _wait(self, seconds: float | None) -> None:
        """Wait until there may be updates, or the time has passed."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=None if seconds is None else max(0.0, seconds))
        finally:
            self._waiters.discard(waiter)

    def _notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- the tasks

    async def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    seconds = self._begin_iteration()  # may open sockets, and close others
                    await self._waiter.wait(self._sockets(), seconds)
                    self._end_iteration()
                except zmq.ContextTerminated:
                    return
                except Exception as error:
                    self._on_failure(error)
                    await self._waiter.wait([], FAILURE_PAUSE)
        finally:
            self._stop()

    async def _follow_names(self) -> None:
        """Look the names up, again and again."""
        while True:
            for name in self._fleet.names:
                await asyncio.to_thread(self._look_up, name)
            self._looked_up = True
            await asyncio.sleep(RETRY_INTERVAL if self._fleet.unresolved else RESOLVE_INTERVAL)
