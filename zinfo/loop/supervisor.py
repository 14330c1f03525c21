"""Restarts greenlets that crash; crashes are logged and counted, and too many end the daemon."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

import gevent
import gevent.pool

from zinfo.loop.foreign_errors import FOREIGN_ERRORS

logger = logging.getLogger(__name__)

_MIN_BACKOFF = 0.1  # seconds before a restart; doubles with each crash in a row
_MAX_BACKOFF = 5.0
_MAX_CRASHES = 10  # of one task within the window; then it is given up
_WINDOW = 60.0  # seconds


class Supervisor:
    """Runs tasks that are meant to run for ever.

    Args:
        count: called with a task's name before each restart.
        give_up: called with the name of a task that crashed too often; None restarts it for ever.
        report: called with a task's name and the exception at each crash.
    """

    def __init__(
        self,
        count: Callable[[str], None] = lambda _name: None,
        give_up: Callable[[str], None] | None = None,
        report: Callable[[str, BaseException], None] = lambda _name, _error: None,
    ) -> None:
        self._count = count
        self._give_up = give_up
        self._report = report
        self._group = gevent.pool.Group()
        self._stopping = False

    def spawn(self, name: str, run: Callable[[], None]) -> None:
        """Run `run` in a greenlet; restart it whenever it raises or returns."""
        self._group.spawn(self._supervise, name, run)

    def stop(self) -> None:
        """Kill all tasks."""
        self._stopping = True
        self._group.kill()

    def _supervise(self, name: str, run: Callable[[], None]) -> None:
        crashes: deque[float] = deque(maxlen=_MAX_CRASHES)
        backoff = _MIN_BACKOFF
        while True:
            started = time.monotonic()
            error = self._run(name, run)
            self._count(name)
            logger.error("%s crashed; restarting it in %g s", name, backoff, exc_info=error)
            try:
                self._report(name, error)
            except FOREIGN_ERRORS:
                logger.exception("the crash of %s cannot be reported", name)
            now = time.monotonic()
            crashes.append(now)
            too_often = len(crashes) == _MAX_CRASHES and now - crashes[0] < _WINDOW
            if too_often and self._give_up is not None:
                logger.critical("%s crashed %d times in %g s", name, _MAX_CRASHES, now - crashes[0])
                self._give_up(name)
                return
            backoff = _MIN_BACKOFF if now - started > _WINDOW else min(backoff * 2, _MAX_BACKOFF)
            self._sleep(backoff)

    def _sleep(self, seconds: float) -> None:
        try:
            gevent.sleep(seconds)
        except gevent.GreenletExit:
            if self._stopping:
                raise
            # Killed by code outside the supervisor: the task restarts a little earlier.

    def _run(self, name: str, run: Callable[[], None]) -> BaseException:
        """Run a task and return why it ended."""
        try:
            run()
        except (Exception, gevent.Timeout) as error:
            return error
        except gevent.GreenletExit as error:
            if self._stopping:
                raise
            return error  # killed by code outside the supervisor
        return RuntimeError(f"{name} returned, although it is to run until it is stopped")
