"""Grid: the steps of time that histories have a value for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MIN_POINTS: Final = 2
"""Least number of steps of a history."""

MAX_POINTS: Final = 2880
"""Greatest number of steps of a history: four hours at 5 seconds."""


class Grid:
    """Divides time into steps, which begin at multiples of their length by the wall clock.

    So the steps of several daemons are the same. Steps are counted by the monotonic clock. If the
    wall clock is set while the daemon runs, the times of the steps move by a multiple of a step.

    Args:
        seconds: length of a step.
        monotonic: returns the monotonic clock, in seconds.
        wall: returns the wall clock, in seconds since the Unix epoch.
    """

    def __init__(
        self, seconds: float, monotonic: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._wall = wall
        self._start = monotonic() - wall() % seconds  # of step 0, by the monotonic clock

    def step_at(self, at: float) -> int:
        """Return the number of the step that a time of the monotonic clock is in."""
        return int((at - self._start) // self.seconds)

    def start_of(self, step: int) -> float:
        """Return when a step begins, by the monotonic clock."""
        return self._start + step * self.seconds

    def current(self) -> int:
        """Return the number of the step now."""
        return self.step_at(self._monotonic())

    def time_of(self, step: int) -> float:
        """Return when a step begins, by the wall clock: a multiple of the length of a step."""
        begins = self.start_of(step) + self._wall() - self._monotonic()
        return round(begins / self.seconds) * self.seconds
