"""File descriptors: how many are in use, and some that shards may not have.

Each shard takes one, and so does each client. Where none is left ZeroMQ cannot accept a client,
tries again at full speed, and says nothing. So shards are refused before that, and a client can ask
why.
"""

from __future__ import annotations

import logging
import os
import resource
from pathlib import Path

import gevent

from zinfo.health.stats import Stats
from zinfo.shards.events import EventLog
from zinfo.wire.lifecycle import SHORT_OF_FILES

logger = logging.getLogger(__name__)

_WINDOW = 1.0  # seconds between two looks
_BEGINS = 0.8  # part of the limit in use from which on they are scarce
_ENDS = 0.75  # and down to which that is over

_SPARE_PART = 8  # one in so many is not for shards
_MOST_SPARE = 256

_LINUX, _OTHERS = Path("/proc/self/fd"), Path("/dev/fd")  # folders with an entry for each


def raise_limit() -> None:
    """Allow this process as many file descriptors as it may allow itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int:
    """Return how many file descriptors this process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def exhausted() -> bool:
    """Return whether all that shards may have are in use: the rest is for clients.

    The system gives the lowest number that is free, so one number tells that all below it are in
    use.
    """
    try:
        lowest = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    os.close(lowest)
    return is_reserved(lowest)


def is_reserved(descriptor: int) -> bool:
    """Return whether a file descriptor is one of those that shards may not have."""
    most = limit()
    return descriptor >= most - min(_MOST_SPARE, most // _SPARE_PART)


def count() -> int:
    """Return how many are open; 0 where the system does not tell."""
    try:
        said = _LINUX.stat().st_size  # of Linux 6.2 and later: no look at each of thousands
        return said or sum(1 for _ in _LINUX.iterdir())
    except FileNotFoundError:
        return sum(1 for _ in _OTHERS.iterdir()) if _OTHERS.is_dir() else 0
    except OSError:  # there is none left to open the folder with
        return limit()


class FileWatch:
    """Watches how many file descriptors are in use.

    Args:
        stats: `files_open`, `files_limit` and `short_of_files` are written.
        log: takes the event of each change; it is about no shard, so its shard is "".
    """

    def __init__(self, stats: Stats, log: EventLog) -> None:
        self._stats = stats
        self._log = log

    def run(self) -> None:
        """Look for ever; to be run in a greenlet."""
        while True:
            self.look(count(), limit())
            gevent.sleep(_WINDOW)

    def look(self, used: int, most: int) -> None:
        """Take how many there are in use and how many there may be."""
        stats = self._stats
        stats.files_open, stats.files_limit = used, most
        short = used > _ENDS * most if stats.short_of_files else used >= _BEGINS * most
        if short == stats.short_of_files:
            return
        stats.short_of_files = short
        if short:
            message = (
                f"short of file descriptors: {used} of {most} are in use; "
                "shards beyond them cannot be polled (raise `ulimit -Hn`)"
            )
        else:
            message = f"no longer short of file descriptors: {used} of {most} are in use"
        logger.warning("%s", message)
        old, new = ("no", "yes") if short else ("yes", "no")
        self._log.emit("", SHORT_OF_FILES, old, new, message=message)
