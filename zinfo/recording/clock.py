"""Pace: when what was recorded is due, and what time it is in the recording meanwhile. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

LONGEST_PAUSE = 10.0
"""Seconds of a time that nothing is known of that are waited for; the rest of it is left out."""


class Pace:
    """Maps the seconds of a recording to those of a clock.

    Args:
        speed: how many times as fast as it was; infinite for as fast as can be.
        clock: returns seconds; never goes back.
    """

    def __init__(self, speed: float, clock: Callable[[], float]) -> None:
        self.speed = speed
        self._clock = clock
        self._at = 0.0  # in the recording
        self._since = clock()  # when it was there
        self._next = 0.0  # in the recording, where it waits for
        self._ended = False

    def set(self, at: float) -> None:
        """Go on from a moment of the recording, now."""
        self._at = self._next = at
        self._since = self._clock()

    def end(self) -> None:
        """Nothing more comes: from here on time passes as anywhere."""
        self._at, self._since, self._ended = self.position(), self._clock(), True

    def wait(self, at: float) -> float:
        """Return the seconds until a moment of the recording is due; 0 where it is.

        Args:
            at: the moment; up to it, `position` goes on.
        """
        self._next = max(at, self._next)
        if math.isinf(self.speed):
            self.set(self._next)
            return 0.0
        left = (self._next - self._at) / self.speed - (self._clock() - self._since)
        return max(0.0, left)

    def skip(self, at: float) -> None:
        """Leave out what is too long of the time until a moment that nothing is known of."""
        position = self.position()
        if at - position > LONGEST_PAUSE:
            self.set(at - LONGEST_PAUSE)

    def position(self) -> float:
        """Return the moment of the recording that it is now; no later than what is waited for."""
        passed = self._clock() - self._since
        if self._ended:
            return self._at + passed
        if math.isinf(self.speed):
            return self._at
        return min(self._at + passed * self.speed, self._next)
