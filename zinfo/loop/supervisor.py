"""Keeps the daemon's greenlets alive: deaths are logged, counted, mended; too many end it all."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

import gevent
import gevent.pool

from zinfo.loop.foreign_errors import FAILURES

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1  # seconds before a part that died runs again; doubles with each death in a row
_LONGEST_PAUSE = 5.0
_MOST_DEATHS = 10  # of one part within the window: it cannot be mended
_WINDOW = 60.0  # seconds


class Supervisor:
    """Runs parts that never end by themselves.

    Args:
        count: called with the name of a part each time that it is to run again.
        give_up: called with the part's name when it died too often; None goes on trying.
        report: called with the part's name and the exception at each death.
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
        """Run `run` in a greenlet, and again whenever it raises or returns."""
        self._group.spawn(self._keep, name, run)

    def stop(self) -> None:
        """End all parts."""
        self._stopping = True
        self._group.kill()

    def _keep(self, name: str, run: Callable[[], None]) -> None:
        deaths: deque[float] = deque(maxlen=_MOST_DEATHS)
        pause = _FIRST_PAUSE
        while True:
            begun = time.monotonic()
            error = self._run(name, run)
            self._count(name)
            logger.error("%s died; it runs again in %g s", name, pause, exc_info=error)
            try:
                self._report(name, error)
            except FAILURES:
                logger.exception("the death of %s cannot be told", name)
            now = time.monotonic()
            deaths.append(now)
            often = len(deaths) == _MOST_DEATHS and now - deaths[0] < _WINDOW
            if often and self._give_up is not None:
                logger.critical("%s died %d times within %g s", name, _MOST_DEATHS, now - deaths[0])
                self._give_up(name)
                return
            pause = _FIRST_PAUSE if now - begun > _WINDOW else min(pause * 2, _LONGEST_PAUSE)
            self._wait(pause)

    def _wait(self, seconds: float) -> None:
        try:
            gevent.sleep(seconds)
        except gevent.GreenletExit:
            if self._stopping:
                raise  # else the part runs again a little earlier

    def _run(self, name: str, run: Callable[[], None]) -> BaseException:
        """Run a part and return why it ended."""
        try:
            run()
        except (Exception, gevent.Timeout) as error:
            return error
        except gevent.GreenletExit as error:
            if self._stopping:
                raise
            return error  # somebody else killed it, who had no business to
        return RuntimeError(f"{name} ended without being told to")
