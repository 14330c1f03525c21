"""CPU affinity: the measured process has a core to itself, all other processes share the rest."""

from __future__ import annotations

import contextlib
import enum
import os


def _all() -> list[int]:
    # macOS has no CPU affinity.
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


_ALL = _all()


class Cores(enum.Enum):
    """Cores that a process may run on; no difference with one core, or without CPU affinity."""

    MEASURED = "measured"  # the first core
    OTHERS = "others"  # all but the first: servers, clients, load
    ANY = "any"

    @property
    def numbers(self) -> list[int]:
        """Numbers of the cores."""
        if self is Cores.ANY or len(_ALL) < 2:
            return _ALL
        return _ALL[:1] if self is Cores.MEASURED else _ALL[1:]

    def hold(self, pid: int) -> None:
        """Restrict a process to these cores, before it starts threads.

        Args:
            pid: Id of the process; 0 is this process.
        """
        if _ALL:
            os.sched_setaffinity(pid, self.numbers)


def prefer_this_process() -> None:
    """Schedule this process before the servers on its core, where the system permits it.

    For processes that measure latency. Call it before the ZeroMQ context starts its I/O thread,
    which inherits the policy. It sets a real-time policy, because a better nice value has no effect
    where Linux groups processes by session (`sched_autogroup_enabled`), and each server has its own
    session.
    """
    with contextlib.suppress(AttributeError, PermissionError):  # macOS has no such call
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
