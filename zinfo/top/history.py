"""The last minutes of one number, in bounded memory. Pure."""

from __future__ import annotations

import math
from array import array

STEP = 1.0
"""Seconds between two values."""

STEPS = 300
"""Number of values that are stored: five minutes."""


class History:
    """A ring buffer with one value per step of time; NaN where there is none.

    The caller gives the time: seconds of one monotonic clock.
    """

    __slots__ = ("_newest", "_ring")

    def __init__(self) -> None:
        self._ring = array("d", (math.nan,)) * STEPS
        self._newest: int | None = None  # the step that was written last

    def add(self, value: float, now: float, since: float | None = None) -> None:
        """Store a value.

        Args:
            value: the number; NaN for none.
            now: the time of the value.
            since: the value also fills the steps after this time; None for the present step only.
        """
        step = int(now // STEP)
        if self._newest is None:
            self._newest = step - 1
        step = max(step, self._newest)
        first = step if since is None else min(step, max(int(since // STEP) + 1, 0))
        for missed in range(max(self._newest + 1, step - STEPS + 1), step):
            self._ring[missed % STEPS] = value if missed >= first else math.nan
        self._ring[step % STEPS] = value
        self._newest = step

    def values(self, now: float, hold: float = 0.0) -> list[float]:
        """Return the values up to now, oldest first, one per step.

        Args:
            now: the time of the last one.
            hold: for how many seconds the newest value is repeated while no other comes.
        """
        newest = self._newest
        if newest is None:
            return [math.nan] * STEPS
        at = newest % STEPS + 1
        ring = self._ring
        values = ring[at:].tolist() + ring[:at].tolist()
        missing = min(max(0, int(now // STEP) - newest), STEPS)
        if not missing:
            return values
        held = min(missing, int(hold // STEP))
        values += [values[-1]] * held + [math.nan] * (missing - held)
        return values[-STEPS:]
