"""Mirror for asyncio: a live copy of a daemon's shards in this process, kept by a task."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Collection

import zmq
import zmq.asyncio

from zinfo.aio.closing import Closing
from zinfo.aio.poller import Waiter, context_for
from zinfo.client.mirror_base import FAILURE_PAUSE, Holding, Listener
from zinfo.client.sockets import clock
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT


class Mirror(Holding, Closing):
    """A live copy of all or some shards of a daemon: field to value, by shard id.

    It holds, notices, mends and tells what `zinfo.client.Mirror` does, and what *fresh* and *stale*
    mean is said there. A task of the event loop keeps it, from `async with` (or `open`) on. Reading
    waits for nothing, and is safe from any thread.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the shards to hold, whether they exist yet or not; None for all.
        bus: the bus endpoint, where it is reached by another than the daemon tells.
        context: makes the sockets; None for this process's own.
        on_change: called as by `on_change()`, from the first change on.
        keys: by which client and daemon know each other (`ClientKeys.read`); None where the daemon
            asks for none.

    Raises:
        ConfigError: an endpoint that is none.

    Attributes:
        callback_errors: exceptions that listeners raised.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_QUERY_ENDPOINT,
        *,
        shards: Collection[str] | None = None,
        bus: str | None = None,
        context: zmq.asyncio.Context | None = None,
        on_change: Listener | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            shards=shards,
            bus=bus,
            context=context_for(context),
            on_change=on_change,
            keys=keys,
        )
        self._waiter = Waiter()
        self._task: asyncio.Task[None] | None = None
        self._news: set[asyncio.Future[None]] = set()

    def on_change(self, listener: Listener) -> Listener:
        """Call `listener(shard_id, change)` for each change, as `zinfo.client.Mirror` does.

        It is called in the event loop, which does nothing else meanwhile.

        Raises:
            TypeError: it is a coroutine function, which would never run; let it make a task.
        """
        if inspect.iscoroutinefunction(listener):
            raise TypeError("a listener is a plain function; for more, let it make a task")
        return super().on_change(listener)

    async def open(self) -> None:
        """Begin, unless that is done."""
        if self._closing:
            raise ValueError("this Mirror is closed")
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="zinfo-mirror")

    async def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until nothing is stale: all shards are held and current; begins where nothing has.

        Args:
            timeout: seconds.

        Raises:
            NoAnswerError: that did not come about in time; the message says what is known of why.
        """
        deadline = clock() + timeout
        if not self._closing:
            await self.open()
        while self.stale:
            left = deadline - clock()
            if left <= 0 or self._closing:
                raise self._not_ready(timeout)
            news = asyncio.get_running_loop().create_future()
            self._news.add(news)
            try:
                await asyncio.wait([news], timeout=left)
            finally:
                self._news.discard(news)

    async def close(self) -> None:
        """End the task and close its sockets. What is held stays readable, as stale."""
        self._closing = True
        self._waiter.wake()
        if self._task is None:
            self._ended()
        else:
            await asyncio.wait([self._task])

    # --- the task

    async def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    seconds = self._begin_round()  # may open sockets, and close others
                    await self._waiter.wait(self._sockets.opened(), seconds)
                    self._end_round()
                except zmq.ContextTerminated:
                    return
                except Exception as error:
                    self._failed(error)
                    await self._waiter.wait([], FAILURE_PAUSE)
        finally:
            self._ended()

    def _moved(self) -> None:
        for news in self._news:
            if not news.done():
                news.set_result(None)
