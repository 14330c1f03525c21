"""FileThread: file operations of one source, in a thread of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import gevent
import gevent.threadpool

from zinfo.errors import SourceError

T = TypeVar("T")

_IDLE_SECONDS = 60  # until a thread without work ends


class FileThread:
    """Runs one function at a time in a thread.

    A file system that hangs (NFS) then holds this thread only: not the event loop, and none of the
    threads of gevent that other work needs.

    Args:
        timeout: seconds in which a function must return.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._pool: Any = None  # gevent.threadpool.ThreadPool, made in the thread of the event loop
        self._running: Any = None

    def run(self, function: Callable[[], T]) -> T:
        """Return what a function returns; other greenlets run meanwhile.

        Raises:
            SourceError: it takes too long, or an earlier one still runs.
            Exception: what the function raises.
        """
        if self._running is not None and not self._running.ready():
            raise SourceError("the file system still does not respond")
        if self._pool is None:
            self._pool = gevent.threadpool.ThreadPool(1, idle_task_timeout=_IDLE_SECONDS)
        self._running = self._pool.spawn(_outcome, function)
        limit = gevent.Timeout(self._timeout)
        try:
            with limit:
                result, error = self._running.get()
        except gevent.Timeout as timeout:
            if timeout is not limit:
                raise
            message = f"the file system does not respond within {self._timeout:g} s"
            raise SourceError(message) from None
        if error is not None:
            raise error
        return cast("T", result)


def _outcome(function: Callable[[], object]) -> tuple[object, Exception | None]:
    # Errors are returned: gevent prints those that a thread raises.
    try:
        return function(), None
    except Exception as error:
        return None, error
