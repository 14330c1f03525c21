"""Which cores a process may run on: what is measured has one to itself, all else has the rest."""

from __future__ import annotations

import contextlib
import enum
import os


def _all() -> list[int]:
    # Python for macOS has none of this.
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


_ALL = _all()


class Cores(enum.Enum):
    """Where a process may run; all the same on a machine with one core, or that cannot tell."""

    MEASURED = "measured"  # the first core
    OTHERS = "others"  # all but the first: servers, clients, load
    ANY = "any"

    @property
    def numbers(self) -> list[int]:
        """The cores' numbers."""
        if self is Cores.ANY or len(_ALL) < 2:
            return _ALL
        return _ALL[:1] if self is Cores.MEASURED else _ALL[1:]

    def hold(self, pid: int) -> None:
        """Keep a process, whose threads are yet to be started, on these cores.

        Args:
            pid: the process; 0 for this one.
        """
        if _ALL:
            os.sched_setaffinity(pid, self.numbers)


def prefer_this_process() -> None:
    """Put this process before the servers on its core, where that is allowed: it takes times.

    To be called before ZeroMQ's context starts its thread, which is put there, too. By a real-time
    policy, since a better nice value does nothing where Linux groups processes by session
    (`sched_autogroup_enabled`), and each server has a session of its own.
    """
    with contextlib.suppress(AttributeError, PermissionError):  # macOS has no such call
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
