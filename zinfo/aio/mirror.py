"""Mirror for asyncio: a live copy of a daemon's shards in this process, maintained by a task."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Collection, Mapping

import zmq
import zmq.asyncio

from zinfo.aio.closing import Closing
from zinfo.aio.poller import Waiter, context_for
from zinfo.client.former_names import chosen_ids
from zinfo.client.mirror_base import FAILURE_PAUSE, Listener, MirrorBase
from zinfo.client.sockets import clock
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT


class Mirror(MirrorBase, Closing):
    """A live copy of all or some shards of a daemon: a mapping from shard id to its INFO.

    It behaves as `zinfo.client.Mirror`, which explains *fresh* and *stale*. A task of the event
    loop maintains it, from `async with` (or `open`) on. Reading does not wait, and is safe from any
    thread.

    Args:
        endpoint: the daemon's query endpoint.
        shard_ids: ids of the shards to mirror, which need not exist yet; None for all.
        labels: labels that a mirrored shard has; None for any.
        fields: names of the mirrored fields; None for all.
        bus: the bus endpoint, where it differs from the one that the daemon reports.
        context: creates the sockets; None for the process's default context.
        on_change: called as by `on_change()`, from the first change on.
        keys: CURVE keys (`ClientKeys.read`); None for a daemon without CURVE.
        shards: the former name of `shard_ids`.

    Raises:
        ConfigError: an endpoint is invalid.

    Attributes:
        callback_errors: number of exceptions that listeners raised.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_QUERY_ENDPOINT,
        *,
        shard_ids: Collection[str] | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Collection[str] | None = None,
        bus: str | None = None,
        context: zmq.asyncio.Context | None = None,
        on_change: Listener | None = None,
        keys: ClientKeys | None = None,
        shards: Collection[str] | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            shards=chosen_ids(shard_ids, shards, "shards"),
            labels=labels,
            fields=fields,
            bus=bus,
            context=context_for(context),
            on_change=on_change,
            keys=keys,
        )
        self._waiter = Waiter()
        self._task: asyncio.Task[None] | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    def on_change(self, listener: Listener, *, fields: Collection[str] | None = None) -> Listener:
        """Call `listener(shard_id, change)` for each change, as `zinfo.client.Mirror` does.

        It is called in the event loop, and blocks it while it runs.

        Raises:
            TypeError: it is a coroutine function, which would never run; create a task instead.
        """
        if inspect.iscoroutinefunction(listener):
            raise TypeError("a listener must be a plain function; it may create a task")
        return super().on_change(listener, fields=fields)

    async def open(self) -> None:
        """Start the task, unless it runs."""
        if self._closing:
            raise ValueError("this Mirror is closed")
        self._start()

    def _start(self) -> None:
        if self._task is None and not self._closing:
            self._task = asyncio.create_task(self._run(), name="zinfo-mirror")

    async def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until the Mirror holds all shards and none is stale; opens it first.

        Args:
            timeout: seconds.

        Raises:
            NoAnswerError: the time has passed; the message has the reason, as far as it is known.
        """
        deadline = clock() + timeout
        if not self._closing:
            await self.open()
        while self.stale:
            left = deadline - clock()
            if left <= 0 or self._closing:
                raise self._not_ready(timeout)
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await asyncio.wait([waiter], timeout=left)
            finally:
                self._waiters.discard(waiter)

    async def close(self) -> None:
        """Stop the task and close its sockets. The shards stay readable, and are stale."""
        self._closing = True
        self._waiter.wake()
        if self._task is None:
            self._stop()
        else:
            await asyncio.wait([self._task])

    # --- the task

    async def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    seconds = self._begin_iteration()  # may open sockets, and close others
                    await self._waiter.wait(self._sockets.opened(), seconds)
                    pause = self._end_iteration()
                    if pause:
                        await self._waiter.wait([], pause)
                except zmq.ContextTerminated:
                    return
                except Exception as error:
                    self._on_failure(error)
                    await self._waiter.wait([], FAILURE_PAUSE)
        finally:
            self._stop()

    def _notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
