"""Subscriber for asyncio: iterates over the updates of a daemon's bus."""

from __future__ import annotations

from collections.abc import Collection

import zmq.asyncio

from zinfo.aio.closing import Closing
from zinfo.aio.poller import Waiter, context_for
from zinfo.client.former_names import chosen_ids
from zinfo.client.sockets import clock
from zinfo.client.subscriber_base import SubscriberBase
from zinfo.client.updates import Update
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT
from zinfo.wire.curve_keys import ClientKeys


class Subscriber(SubscriberBase, Closing):
    """Iterates over what the daemon publishes, as `zinfo.client.Subscriber` does.

    `zinfo.client.Subscriber` explains how losses and interruptions are reported.

    The subscriptions are in place when `async with` (or `open`) has returned, so that everything
    published later is received. One task at a time may wait for updates. Cancelling a `recv` loses
    no update.

    Args:
        endpoint: the daemon's query endpoint, which reports the bus endpoint.
        bus: the bus endpoint. If it is given without `endpoint`, no query endpoint is used.
        shard_ids: ids of the wanted shards, which need not exist yet; empty for all.
        kinds: any of "info" (the whole INFO of each poll), "delta" (what each poll changed),
            "event" (lifecycle), "hb" (heartbeats).
        context: creates the sockets; None for the process's default context.
        keys: CURVE keys (`ClientKeys.read`); None for a daemon without CURVE.
        timeout: seconds in which the bus has to be joined.
        shards: the former name of `shard_ids`.

    Raises:
        ConfigError: an endpoint is invalid.
        ValueError: a kind is unknown, or there is none.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        bus: str | None = None,
        shard_ids: Collection[str] = (),
        kinds: Collection[str] = (KIND_DELTA, KIND_EVENT),
        context: zmq.asyncio.Context | None = None,
        timeout: float = 5.0,
        keys: ClientKeys | None = None,
        shards: Collection[str] | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            bus=bus,
            shards=chosen_ids(shard_ids, shards, "shards"),
            kinds=kinds,
            context=context_for(context),
            timeout=timeout,
            keys=keys,
        )
        self._waiter = Waiter()
        self._busy = False

    def __aiter__(self) -> Subscriber:
        return self

    async def __anext__(self) -> Update:
        while not self._closed:
            update = await self._receive(None)
            if update is not None:
                return update
        raise StopAsyncIteration

    async def open(self) -> None:
        """Join the bus, unless that is done.

        Raises:
            NoAnswerError: the bus could not be joined in time; the Subscriber is closed then.
            NotAllowedError: the daemon refused some of the topics; the Subscriber is closed then.
        """
        self._check_open()
        if self._state.session.joins:
            return
        self._acquire()
        deadline = clock() + self._timeout
        try:
            while (seconds := self._try_join(deadline)) is not None:
                await self._waiter.wait(self._sockets.opened(), seconds)
                self._check_open()
        except BaseException:
            self._close()
            raise
        finally:
            self._busy = False

    async def recv(self, timeout: float | None = None) -> Update | None:
        """Return the next update; opens the Subscriber first.

        Args:
            timeout: seconds to wait for one; None for no limit.

        Returns:
            The update; None if none came in time.

        Raises:
            NoAnswerError: the bus could not be joined in time.
            NotAllowedError: the daemon refuses some of the topics from now on; raised once.
            RuntimeError: another task waits for an update.
            ValueError: this Subscriber is closed.
        """
        self._check_open()
        update = await self._receive(timeout)
        self._check_open()
        return update

    async def close(self) -> None:
        """Close the sockets, and drop the updates that were received and not yet returned.

        In a task that waits for an update, the iteration ends or `recv` raises ValueError.
        """
        self._close()
        self._waiter.wake()

    # --- receiving

    def _acquire(self) -> None:
        if self._busy:
            raise RuntimeError("a Subscriber serves one task at a time; use one in each task")
        self._busy = True

    async def _receive(self, timeout: float | None) -> Update | None:
        """Return the next update; None where none came in time, or the Subscriber was closed."""
        if not self._state.session.joins:
            await self.open()
        self._acquire()
        deadline = None if timeout is None else clock() + timeout
        pause = (
            not self._state.updates
        )  # with queued updates nothing below would yield to other tasks
        try:
            while not self._closed and (seconds := self._try_receive(deadline)) is not None:
                pause = False
                await self._waiter.wait(self._sockets.opened(), seconds)
            if pause:
                await self._waiter.wait([], 0)
            return self._next()
        finally:
            self._busy = False
