"""Waits in an event loop until a socket is readable, the time has passed, or `wake` is called."""

from __future__ import annotations

import asyncio
from typing import Any

import zmq
import zmq.asyncio

from zinfo.client.sockets import Context, Socket


def context_for(context: zmq.asyncio.Context | None) -> Context:
    """Return the context that creates the sockets.

    Args:
        context: given by the user; None for the process's default context.

    Raises:
        TypeError: it is not a `zmq.asyncio.Context`; its sockets would block the event loop.
    """
    found: Any = zmq.asyncio.Context.instance() if context is None else context
    if not isinstance(found, zmq.asyncio.Context):
        raise TypeError(f"context has to be a zmq.asyncio.Context, not a {type(found).__name__}")
    return found


class Waiter:
    """Waits for sockets; for one task at a time."""

    def __init__(self) -> None:
        self._woken: asyncio.Future[None] | None = None

    async def wait(self, sockets: list[Socket], seconds: float) -> None:
        """Wait until one of the sockets is readable, the time has passed, or `wake` is called.

        It always yields to the event loop at least once.

        Args:
            sockets: of a `zmq.asyncio.Context`; closing one of them also ends the wait.
            seconds: upper bound.
        """
        woken = self._woken = asyncio.get_running_loop().create_future()
        ends: set[asyncio.Future[Any]] = {woken}
        try:
            if sockets:
                ends.add(_readable(sockets))
            await asyncio.wait(ends, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._woken = None
            for end in ends:
                end.cancel()  # an error, too: the next read of the socket raises it again

    def wake(self) -> None:
        """End the current wait."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


def _readable(sockets: list[Socket]) -> asyncio.Future[Any]:
    """Return a future that completes when one of the sockets is readable."""
    poller = zmq.asyncio.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    return asyncio.ensure_future(poller.poll(None))
