"""Calls to several daemons at the same time, each in a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from zinfo.aio.client import Client
from zinfo.client.fleet_requests import Asked
from zinfo.client.sockets import clock


class FleetCalls:
    """The calls of one request.

    Args:
        tasks: takes the tasks that run; closing the fleet cancels them.
    """

    def __init__(self, tasks: set[asyncio.Task[None]]) -> None:
        self._tasks = tasks
        self._running: dict[asyncio.Task[None], Asked[Client]] = {}

    def start(
        self, asked: Asked[Client], call: Callable[[], Coroutine[Any, Any, None]], until: float
    ) -> None:
        """Start a call.

        Args:
            asked: notes how it ends.
            call: makes it.
            until: local clock when it has to begin, which is at once here.
        """
        del until
        task = asyncio.create_task(call(), name="zinfo-fleet-call")
        self._running[task] = asked
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self, enough: Callable[[], bool], until: float) -> None:
        """Wait until all calls have ended.

        Args:
            enough: whether those that have ended are enough; called after each of them.
            until: local clock.

        Raises:
            Exception: a call failed with an error that is not zinfo's.
        """
        while self._running and not enough() and (left := until - clock()) > 0:
            done, _ = await asyncio.wait(
                self._running, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                del self._running[task]
                task.result()

    def leave(self) -> None:
        """Let the calls that still run continue, although nothing waits for their results."""
        for task, asked in self._running.items():
            late = asked.member.late
            late.add(task)
            task.add_done_callback(late.discard)
