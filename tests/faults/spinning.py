"""Whether a process waits for work or spins, whatever else runs on the machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from tests.waiting import wait_until

SPINS = 0.02
"""Seconds of CPU time between two waits; a thread that works on events needs a millisecond."""

_WAITS = 20  # of the main thread, during the measurement
_MEASURED = 1.0  # seconds that it lasts at least, in which a thread that spins uses much CPU time


class _Thread(NamedTuple):
    """What the kernel has counted for a thread.

    Attributes:
        cpu: seconds of CPU time.
        waits: how often it gave up the CPU to wait for something.
    """

    cpu: float
    waits: int


def cpu_per_wait(pid: int) -> float:
    """Return the CPU time in seconds that a thread of a process uses between two waits.

    It is that of the thread that uses most. A share of the CPU would say little: on a busy machine
    also a thread that spins gets only a small one.

    Args:
        pid: the process, whose main thread waits now and then.
    """
    before, begun = _threads(pid), time.monotonic()

    def measured() -> bool:
        waits = _threads(pid)[pid].waits - before[pid].waits
        return waits >= _WAITS and time.monotonic() - begun >= _MEASURED

    wait_until(measured, what=f"{_WAITS} waits of the main thread")
    return max(
        (now.cpu - before[thread].cpu) / (now.waits - before[thread].waits + 1)
        for thread, now in _threads(pid).items()
        if thread in before
    )


def _threads(pid: int) -> dict[int, _Thread]:
    found = {}
    for folder in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds = int((folder / "schedstat").read_text().split()[0])
        lines = (folder / "status").read_text().splitlines()
        (waits,) = (line.split()[1] for line in lines if line.startswith("voluntary_ctxt"))
        found[int(folder.name)] = _Thread(nanoseconds / 1e9, int(waits))
    return found
