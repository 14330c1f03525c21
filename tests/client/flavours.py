"""One interface to the blocking and the asyncio clients, so that one test suite covers both.

The asyncio objects live in an event loop in a thread. `Outside` calls them there and waits for the
result.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar, cast

import zmq
import zmq.asyncio

import zinfo.aio
from tests.waiting import wait_until
from zinfo.client import Client, Fleet, FleetSubscriber, Mirror, Subscriber
from zinfo.client.sockets import Context

T = TypeVar("T")

PATIENCE = 60.0
"""Timeout of a client or subscriber in tests, in seconds, where a test gives none. The default of
zinfo would be too short on a busy machine."""

ANSWER_TIMEOUT = 100.0
"""Seconds to wait for a call in the event loop."""


class EventLoop:
    """An event loop in a thread.

    Attributes:
        errors: what asyncio reported: destroyed tasks, exceptions never retrieved; except for a
            terminated context.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._on_error)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> Any:
        """Call a function in the loop; return its result, awaited if it is awaitable."""
        if threading.current_thread() is self._thread:  # called by a listener
            return function()

        async def called() -> object:
            result = function()
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(ANSWER_TIMEOUT)

    def tasks(self) -> set[str]:
        """Return the names of the running tasks."""

        async def names() -> set[str]:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            return {task.get_name() for task in others if task is not None}

        return cast("set[str]", self.call(names))

    def end(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        gc.collect()

    def _on_error(self, _: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, zmq.ContextTerminated):  # pyzmq also raises it in its callback
            self.errors.append(f"{context.get('message')}: {error!r}")


class Outside(Generic[T]):
    """Calls an object in an event loop from another thread, as if it blocked.

    Args:
        loop: its event loop.
        make: creates it, called in the loop.
        opens: whether to open it, as the constructor of a blocking object does.
    """

    def __init__(self, loop: EventLoop, make: Callable[[], T], *, opens: bool) -> None:
        self.__dict__["_loop"] = loop
        self.__dict__["_inner"] = loop.call(make)
        if opens:
            loop.call(self._inner.open)

    def __enter__(self) -> Outside[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call(self._inner.close)

    def __getattr__(self, name: str) -> Any:
        value = self._loop.call(lambda: getattr(self._inner, name))
        if not inspect.ismethod(value):
            return value

        def method(*args: Any, **kwargs: Any) -> Any:
            result = self._loop.call(lambda: value(*args, **kwargs))
            return self._each(result) if inspect.isasyncgen(result) else result

        return method

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._inner, name, value)

    def __repr__(self) -> str:
        return str(self._loop.call(lambda: repr(self._inner)))

    def __iter__(self) -> Iterator[Any]:
        if hasattr(self._inner, "__aiter__"):
            return self._each(self._inner)
        return iter(self._loop.call(lambda: list(self._inner)))

    def __len__(self) -> int:
        return int(self._loop.call(lambda: len(self._inner)))

    def __contains__(self, key: object) -> bool:
        return bool(self._loop.call(lambda: key in self._inner))

    def __getitem__(self, key: str) -> Any:
        return self._loop.call(lambda: self._inner[key])

    def _each(self, source: AsyncIterator[Any]) -> Iterator[Any]:
        while True:
            try:
                yield self._loop.call(source.__anext__)
            except StopAsyncIteration:
                return


class Flavour:
    """The blocking clients; a context manager that fails if a socket is left open."""

    name = "blocking"

    def __init__(self) -> None:
        self.context = self.new_context()

    def __enter__(self) -> Flavour:
        return self

    def __exit__(self, *_: object) -> None:
        ended = threading.Thread(target=self.context.term, daemon=True)
        ended.start()
        wait_until(
            lambda: not ended.is_alive(), timeout=30, what="all sockets of the test to be closed"
        )

    def new_context(self) -> Context:
        """Return a context for this flavour's sockets."""
        return zmq.Context()

    def client(self, *args: Any, **options: Any) -> Client:
        """A Client."""
        return Client(*args, **{"context": self.context, "timeout": PATIENCE, **options})

    def subscriber(self, *args: Any, **options: Any) -> Subscriber:
        """A Subscriber, joined."""
        return Subscriber(*args, **{"context": self.context, "timeout": PATIENCE, **options})

    def mirror(self, *args: Any, **options: Any) -> Mirror:
        """A Mirror, started."""
        return Mirror(*args, **{"context": self.context, **options})

    def fleet(self, *args: Any, **options: Any) -> Fleet:
        """A Fleet, opened."""
        return Fleet(*args, **{"context": self.context, "timeout": PATIENCE, **options})

    def fleet_subscriber(self, *args: Any, **options: Any) -> FleetSubscriber:
        """A FleetSubscriber, opened."""
        return FleetSubscriber(*args, **{"context": self.context, "timeout": PATIENCE, **options})


class AsyncioFlavour(Flavour):
    """The asyncio clients; also fails if a task is left or asyncio reported an error.

    Attributes:
        loop: their event loop.
    """

    name = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self.loop = EventLoop()

    @property
    def own(self) -> zmq.asyncio.Context:
        """The context with its type."""
        assert isinstance(self.context, zmq.asyncio.Context)
        return self.context

    def __exit__(self, *details: object) -> None:
        try:
            super().__exit__(*details)
            wait_until(lambda: not self.loop.tasks(), timeout=30, what="all tasks to end")
        finally:
            self.loop.end()
        assert self.loop.errors == []

    def new_context(self) -> Context:
        return zmq.asyncio.Context()

    def client(self, *args: Any, **options: Any) -> Client:
        options = {"timeout": PATIENCE, **options}
        return cast("Client", self._made(zinfo.aio.Client, args, options, opens=False))

    def subscriber(self, *args: Any, **options: Any) -> Subscriber:
        options = {"timeout": PATIENCE, **options}
        return cast("Subscriber", self._made(zinfo.aio.Subscriber, args, options, opens=True))

    def mirror(self, *args: Any, **options: Any) -> Mirror:
        return cast("Mirror", self._made(zinfo.aio.Mirror, args, options, opens=True))

    def fleet(self, *args: Any, **options: Any) -> Fleet:
        options = {"timeout": PATIENCE, **options}
        return cast("Fleet", self._made(zinfo.aio.Fleet, args, options, opens=True))

    def fleet_subscriber(self, *args: Any, **options: Any) -> FleetSubscriber:
        options = {"timeout": PATIENCE, **options}
        made = self._made(zinfo.aio.FleetSubscriber, args, options, opens=True)
        return cast("FleetSubscriber", made)

    def _made(
        self, kind: Callable[..., T], args: tuple[Any, ...], options: dict[str, Any], *, opens: bool
    ) -> Outside[T]:
        options = {"context": self.context, **options}
        return Outside(self.loop, lambda: kind(*args, **options), opens=opens)


FLAVOURS = (Flavour, AsyncioFlavour)
