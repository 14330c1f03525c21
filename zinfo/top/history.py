"""The last minutes of the numbers of one shard, or of sums, in bounded memory. Pure.

There is one value for each step of time and each of `SERIES`: as many as the daemon has in its own
history by default, from which they are filled. A series takes memory once it has a value: 720 bytes
each, 5.8 KB for a shard that has all of them.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

from zinfo.views.rows import Series

STEP = 5.0
"""Seconds between two values."""

STEPS = 180
"""Number of values of each series: 15 minutes."""

SERIES = Series._fields[2:]
"""Names of the series, the same as in the daemon's history."""

_EMPTY = array("f", (math.nan,)) * STEPS
_UNKNOWN = (math.nan,) * STEPS
_NONE = (math.nan,) * len(SERIES)


def resampled(values: Sequence[float], seconds: float) -> Sequence[float]:
    """Return values that are `STEP` apart.

    Args:
        values: oldest first; the newest one stays.
        seconds: between two of them.
    """
    if seconds == STEP or not values:
        return values
    count = max(1, int(len(values) * seconds / STEP))
    newest = len(values) - 1
    return [values[newest - int(back * STEP / seconds)] for back in reversed(range(count))]


def step_at(now: float) -> int:
    """Return the number of the step that a time is in.

    Args:
        now: seconds of one monotonic clock.
    """
    return int(now // STEP)


class History:
    """Ring buffers with one value per step of time; NaN where there is none."""

    __slots__ = ("_newest", "_rings")

    def __init__(self) -> None:
        self._rings: list[array[float] | None] = [None] * len(SERIES)
        self._newest: int | None = None  # the step that was written last

    def add(self, values: Sequence[float], step: int, first: int | None = None) -> None:
        """Store values; they replace those of the same step.

        Args:
            values: of all series, in their order; NaN for none.
            step: the step of the values.
            first: the values also fill the steps from this one on that have none; None for no other
                step.
        """
        newest = self._newest
        missed: Sequence[int] = ()
        if newest is not None and step > newest + 1:
            missed = range(max(newest + 1, step - STEPS + 1), step)
        self._newest = step = step if newest is None else max(step, newest)
        at = step % STEPS
        rings = self._rings
        for number, value in enumerate(values):
            ring = rings[number]
            if ring is None:
                if value != value:  # noqa: PLR0124 (only NaN differs from itself)
                    continue
                ring = rings[number] = _EMPTY[:]
            ring[at] = value
            for one in missed:
                ring[one % STEPS] = value if first is not None and one >= first else math.nan

    def fill(self, values: Mapping[str, Sequence[float]], last: int) -> None:
        """Store what the daemon has of the past. It replaces all but the newest step.

        Args:
            values: by name of the series, oldest first; one per step.
            last: the step of the last one.
        """
        if self._newest is None:
            self._newest = last
        for number, name in enumerate(SERIES):
            if name in values:
                self._fill(number, values[name], last, self._newest)

    def _fill(self, number: int, given: Sequence[float], last: int, end: int) -> None:
        """Store the past of a series.

        Args:
            number: of the series.
            given: the values.
            last: the step of the last one.
            end: the newest step of this history.
        """
        first, stop = max(last - len(given) + 1, end - STEPS + 1), min(last, end)
        past = array("f", given[first - last - 1 : len(given) - (last - stop)])
        if stop < first or not any(value == value for value in past):  # noqa: PLR0124 (as above)
            return
        old = self._rings[number] or _EMPTY
        ring = old[:]
        at = first % STEPS
        here = min(len(past), STEPS - at)
        ring[at : at + here] = past[:here]
        ring[: len(past) - here] = past[here:]
        newest = old[end % STEPS]
        for step, own in enumerate(old):
            if math.isnan(ring[step]):
                ring[step] = own
        if not math.isnan(newest):
            ring[end % STEPS] = newest
        self._rings[number] = ring
        self._bridge(ring, last + 1, end)

    def _bridge(self, ring: array[float], step: int, end: int) -> None:
        """Repeat the value before a step without one, which has a value after it.

        The steps of daemon and model begin at other moments, so that one between them may be left.
        """
        if (
            step < end
            and math.isnan(ring[step % STEPS])
            and not math.isnan(ring[(step + 1) % STEPS])
        ):
            ring[step % STEPS] = ring[(step - 1) % STEPS]

    def values(self, number: int, step: int, *, hold: bool = False) -> Sequence[float]:
        """Return the values of a series up to a step, oldest first, one per step.

        Args:
            number: of the series.
            step: the step of the last value.
            hold: whether the newest value stands for the steps after it.
        """
        newest, ring = self._newest, self._rings[number]
        if newest is None or ring is None:
            return _UNKNOWN
        at = newest % STEPS + 1
        values = ring[at:].tolist() + ring[:at].tolist()
        missing = min(max(0, step - newest), STEPS)
        if missing:
            values += [values[-1] if hold else math.nan] * missing
        return values[-STEPS:]

    def at(self, step: int) -> Sequence[float]:
        """Return the values of all series at a step; NaN where there is none."""
        newest = self._newest
        if newest is None or not newest - STEPS < step <= newest:
            return _NONE
        at = step % STEPS
        return [math.nan if ring is None else ring[at] for ring in self._rings]

    def series(self, now: float, *, hold: bool = False) -> Series:
        """Return all series up to a time.

        Args:
            now: the time.
            hold: as in `values`.
        """
        step = step_at(now)
        values = [self.values(number, step, hold=hold) for number in range(len(SERIES))]
        return Series(STEP, step, *values)
