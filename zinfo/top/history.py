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


class History:
    """A ring buffer with one value per step of time; NaN where there is none.

    The caller gives the time: seconds of one monotonic clock.
    """

    __slots__ = ("_means", "_newest", "_ring")

    def __init__(self) -> None:
        self._means: dict[int, float] = {}  # of periods that no value can be added to any more
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
        last, newest = int(now // STEP) // _MEAN_STEPS, self._newest
        if newest is None:
            return [math.nan] * MEANS
        known, found = self._means, []
        for period in range(last - MEANS + 1, last + 1):
            value = known.get(period)
            if value is None:
                value = self._mean(period, int(now // STEP), newest, int(hold // STEP))
                if (period + 1) * _MEAN_STEPS <= newest:
                    known[period] = value
            found.append(value)
        if len(known) > 2 * MEANS:
            for period in [period for period in known if period <= last - MEANS]:
                del known[period]
        return found

    def _mean(self, period: int, now: int, newest: int, held: int) -> float:
        ring, total, count = self._ring, 0.0, 0
        first = period * _MEAN_STEPS
        for step in range(max(first, newest - STEPS + 1), min(first + _MEAN_STEPS, now + 1)):
            if step > newest + held:
                break
            value = ring[min(step, newest) % STEPS]
            if not math.isnan(value):
                total += value
                count += 1
        return total / count if count else math.nan
