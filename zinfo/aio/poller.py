"""Waiting for sockets in an event loop, until they can be read, time passed, or somebody calls."""

from __future__ import annotations

import asyncio
from typing import Any

import zmq
import zmq.asyncio

from zinfo.client.sockets import Context, Socket


def context_for(context: zmq.asyncio.Context | None) -> Context:
    """Return what makes the sockets.

    Args:
        context: given by the caller; None for this process's own.

    Raises:
        TypeError: its sockets would block the event loop.
    """
    found: Any = zmq.asyncio.Context.instance() if context is None else context
    if not isinstance(found, zmq.asyncio.Context):
        raise TypeError(f"context has to be a zmq.asyncio.Context, not a {type(found).__name__}")
    return found


class Waiter:
    """Waits, one task at a time; `wake` ends the wait."""

    def __init__(self) -> None:
        self._woken: asyncio.Future[None] | None = None

    async def wait(self, sockets: list[Socket], seconds: float) -> None:
        """Wait until one of the sockets can be read, the time has passed, or `wake` is called.

        Other tasks get a turn in any case.

        Args:
            sockets: of a `zmq.asyncio.Context`; closing one of them ends the wait, too.
            seconds: how long at most.
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
                end.cancel()  # even one with an error: whoever reads the socket next gets the same

    def wake(self) -> None:
        """End the wait, if there is one."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


def _readable(sockets: list[Socket]) -> asyncio.Future[Any]:
    """Return a future that is done when one of the sockets can be read."""
    poller = zmq.asyncio.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    return asyncio.ensure_future(poller.poll(None))
