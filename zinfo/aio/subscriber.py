"""Subscriber for asyncio: the updates of the bus, one after the other."""

from __future__ import annotations

from collections.abc import Collection

import zmq.asyncio

from zinfo.aio.closing import Closing
from zinfo.aio.poller import Waiter, context_for
from zinfo.client.sockets import clock
from zinfo.client.subscriber_base import Stream
from zinfo.client.updates import Update
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT
from zinfo.wire.curve_keys import ClientKeys


class Subscriber(Stream, Closing):
    """Iterates over what the daemon publishes, as `zinfo.client.Subscriber` does.

    The subscriptions stand when `async with` (or `open`) is through: what happens later is told.
    One task at a time may wait for updates. A `recv` that is cancelled takes no update with it.

    Args:
        endpoint: the daemon's query endpoint, which tells the bus.
        bus: the bus endpoint. With it, no query endpoint is needed, nor asked; unless both are
            given.
        shards: ids of the shards of interest, whether they exist yet or not; empty for all.
        kinds: any of "info" (each INFO whole), "delta" (what each poll changed), "event"
            (lifecycle), "hb" (heartbeats).
        context: makes the sockets; None for this process's own.
        keys: by which client and daemon know each other (`ClientKeys.read`); None where the daemon
            asks for none.
        timeout: seconds to wait for the daemon.

    Raises:
        ConfigError: an endpoint that is none.
        ValueError: an unknown kind, or none at all.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        bus: str | None = None,
        shards: Collection[str] = (),
        kinds: Collection[str] = (KIND_DELTA, KIND_EVENT),
        context: zmq.asyncio.Context | None = None,
        timeout: float = 5.0,
        keys: ClientKeys | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            bus=bus,
            shards=shards,
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
            NoAnswerError: the bus could not be joined in time; it is closed then.
        """
        self._check_open()
        if self._state.link.joins:
            return
        self._begin()
        deadline = clock() + self._timeout
        try:
            while (seconds := self._joining(deadline)) is not None:
                await self._waiter.wait(self._sockets.opened(), seconds)
                self._check_open()
        except BaseException:
            self._end()
            raise
        finally:
            self._busy = False

    async def recv(self, timeout: float | None = None) -> Update | None:
        """Return the next update; joins the bus first where nothing has.

        Args:
            timeout: seconds to wait for one; None waits on.

        Returns:
            The update; None where none came in time.

        Raises:
            NoAnswerError: the bus could not be joined in time.
            RuntimeError: another task waits for an update.
        """
        self._check_open()
        update = await self._receive(timeout)
        self._check_open()
        return update

    async def close(self) -> None:
        """Close the sockets; what was received and not asked for is gone.

        A task that waits for an update is told so: its iteration ends, its `recv` raises.
        """
        self._end()
        self._waiter.wake()

    # --- within

    def _begin(self) -> None:
        if self._busy:
            raise RuntimeError("a Subscriber serves one task at a time; use one in each task")
        self._busy = True

    async def _receive(self, timeout: float | None) -> Update | None:
        """Return the next update; None where none came in time, or it was closed."""
        if not self._state.link.joins:
            await self.open()
        self._begin()
        deadline = None if timeout is None else clock() + timeout
        pause = not self._state.updates  # a busy bus is not to keep the other tasks waiting
        try:
            while not self._closed and (seconds := self._look(deadline)) is not None:
                pause = False
                await self._waiter.wait(self._sockets.opened(), seconds)
            if pause:
                await self._waiter.wait([], 0)
            return self._next()
        finally:
            self._busy = False
