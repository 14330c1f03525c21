"""Calls to several daemons at the same time, each in a thread of a pool."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for_futures

from zinfo.client.client import Client
from zinfo.client.fleet_requests import Asked
from zinfo.client.sockets import clock
from zinfo.errors import NoAnswerError

Submit = Callable[[Callable[[], None]], "Future[None]"]


class FleetCalls:
    """The calls of one request.

    Args:
        submit: runs a function in a thread.
    """

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._running: dict[Future[None], Asked[Client]] = {}

    def start(self, asked: Asked[Client], call: Callable[[], None], until: float) -> None:
        """Start a call, after the calls to the same daemon that run already.

        Args:
            asked: notes how it ends.
            call: makes it.
            until: local clock when it has to begin.
        """
        self._running[self._submit(lambda: _alone(asked, call, until))] = asked

    def wait(self, enough: Callable[[], bool], until: float) -> None:
        """Wait until all calls have ended.

        Args:
            enough: whether those that have ended are enough; called after each of them.
            until: local clock.

        Raises:
            Exception: a call failed with an error that is not zinfo's.
        """
        while self._running and not enough() and (left := until - clock()) > 0:
            for future in wait_for_futures(self._running, left, FIRST_COMPLETED).done:
                del self._running[future]
                future.result()

    def leave(self) -> None:
        """Let the calls that still run continue, although nothing waits for their results."""
        for future, asked in self._running.items():
            late = asked.member.late
            late.add(future)
            future.add_done_callback(late.discard)


def _alone(asked: Asked[Client], call: Callable[[], None], until: float) -> None:
    """Make a call while no other thread uses the client of the daemon."""
    lock = asked.member.lock
    if not lock.acquire(timeout=max(0.0, until - clock())):
        asked.error, asked.done = NoAnswerError("an earlier request is still not answered"), True
        return
    try:
        call()
    finally:
        lock.release()
