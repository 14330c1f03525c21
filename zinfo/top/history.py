"""The last minutes of one number, in bounded memory. Pure."""

from __future__ import annotations

import math
from array import array

STEP = 1.0
"""Seconds between two values."""

STEPS = 300
"""Number of values that are stored: five minutes."""

MEANS = 20
"""Number of means of the same time."""

_MEAN_STEPS = STEPS // MEANS
_WITHOUT_GAP = (0, 1)  # steps from one value to the next without a step between them


class History:
    """A ring buffer with one value per step of time; NaN where there is none.

    The caller gives the time: seconds of one monotonic clock.
    """

    __slots__ = ("_finished", "_newest", "_ring", "_unfinished")

    def __init__(self) -> None:
        self._finished = [math.nan] * MEANS  # means of the periods before the newest value's
        self._unfinished = 0  # the period of the newest value
        self._ring = array("d", (math.nan,)) * STEPS
        self._newest: int | None = None  # the step that was written last

    def add(self, value: float, now: float, since: float | None = None) -> None:
        """Store a value.

        Args:
            value: the number; NaN for none.
            now: the time of the value.
            since: the value also fills the steps after this time; None for the present step only.
        """
        step, newest = int(now // STEP), self._newest
        if newest is None:
            newest = step - 1
        if step - newest in _WITHOUT_GAP:
            self._ring[step % STEPS] = value
            self._newest = step
            return
        if step > newest + 1:
            first = step if since is None else max(int(since // STEP) + 1, 0)
            for missed in range(max(newest + 1, step - STEPS + 1), step):
                self._ring[missed % STEPS] = value if missed >= first else math.nan
        elif step < newest:
            step = newest
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

    def means(self, now: float, hold: float = 0.0) -> list[float]:
        """Return the means of a twentieth of the values each, up to now, oldest first.

        The periods are fixed in time, so that only the newest mean changes until the next begins.

        Args:
            now: the time.
            hold: as in `values`.
        """
        step, newest = int(now // STEP), self._newest
        if newest is None:
            return [math.nan] * MEANS
        self._finish_means(newest)
        last = step // _MEAN_STEPS
        left = range(max(self._unfinished, last - MEANS + 1), last + 1)
        found = [self._mean(period, step, newest, int(hold // STEP)) for period in left]
        passed = last - self._unfinished + 1 - len(found)  # without any value since
        return (self._finished[passed:] + found)[-MEANS:]

    def _finish_means(self, newest: int) -> None:
        """Compute the means of the periods that no value can be added to any more."""
        current = newest // _MEAN_STEPS
        for period in range(max(self._unfinished, current - MEANS), current):
            self._finished.append(self._mean(period, newest, newest, 0))
        self._unfinished = current
        del self._finished[:-MEANS]

    def _mean(self, period: int, now: int, newest: int, held: int) -> float:
        # A period has a fixed place in the ring: it never continues at the beginning.
        first = max(period * _MEAN_STEPS, newest - STEPS + 1)
        end = min((period + 1) * _MEAN_STEPS, now + 1, newest + held + 1)
        at, stored = first % STEPS, min(end, newest + 1) - first
        values = self._ring[at : at + max(0, stored)].tolist()
        values += [self._ring[newest % STEPS]] * (end - max(first, newest + 1))
        total = sum(values)
        if math.isnan(total):
            values = [value for value in values if not math.isnan(value)]
            total = sum(values)
        return total / len(values) if values else math.nan
