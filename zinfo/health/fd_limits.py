"""File descriptors: how many are in use, and a reserve that shards cannot use.

Each shard and each client takes one. When none is left, ZeroMQ cannot accept a client and retries
at full speed without an error. So shards are refused before that, and clients can still connect and
see why.
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

_PERIOD = 1.0  # seconds between two checks
_SHORT_ABOVE = 0.8  # part of the limit in use from which on descriptors are short
_ENOUGH_BELOW = 0.75  # part of the limit in use at which that is over

_RESERVED_PART = 8  # one descriptor in this many is reserved for clients
_MAX_RESERVED = 256

# Folders with an entry for each open descriptor.
_LINUX, _OTHERS = Path("/proc/self/fd"), Path("/dev/fd")


def raise_limit() -> None:
    """Raise the soft limit of file descriptors to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int:
    """Return how many file descriptors this process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def exhausted() -> bool:
    """Return whether all descriptors except the reserved ones are in use.

    The system assigns the lowest free number, so all numbers below a newly assigned one are in use.
    """
    try:
        lowest = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    os.close(lowest)
    return is_reserved(lowest)


def is_reserved(descriptor: int) -> bool:
    """Return whether a file descriptor is in the reserve that shards cannot use."""
    total = limit()
    return descriptor >= total - min(_MAX_RESERVED, total // _RESERVED_PART)


def count() -> int:
    """Return how many are open; 0 if the system has no list of them."""
    try:
        size = _LINUX.stat().st_size  # the count in Linux 6.2 and later, without listing thousands
        return size or sum(1 for _ in _LINUX.iterdir())
    except FileNotFoundError:
        return sum(1 for _ in _OTHERS.iterdir()) if _OTHERS.is_dir() else 0
    except OSError:  # none is left to open the folder with
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
        """Check for ever; to be run in a greenlet."""
        while True:
            self.check(count(), limit())
            gevent.sleep(_PERIOD)

    def check(self, used: int, total: int) -> None:
        """Compare the number in use with the limit, and report a change of `short_of_files`."""
        stats = self._stats
        stats.files_open, stats.files_limit = used, total
        short = (
            used > _ENOUGH_BELOW * total if stats.short_of_files else used >= _SHORT_ABOVE * total
        )
        if short == stats.short_of_files:
            return
        stats.short_of_files = short
        if short:
            message = (
                f"short of file descriptors: {used} of {total} are in use; "
                "shards beyond them cannot be polled (raise `ulimit -Hn`)"
            )
        else:
            message = f"no longer short of file descriptors: {used} of {total} are in use"
        logger.warning("%s", message)
        old, new = ("no", "yes") if short else ("yes", "no")
        self._log.emit("", SHORT_OF_FILES, old, new, message=message)
