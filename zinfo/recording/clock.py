"""ReplayClock: when a recorded update is due, and the time in the recording. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

MAX_GAP_SECONDS = 10.0
"""Longest gap that is replayed in real time; longer gaps are shortened to this."""


class ReplayClock:
    """Maps the seconds of a recording to those of a clock.

    Args:
        speed: times as fast as recorded; infinite for as fast as possible.
        clock: returns seconds; monotonic.
    """

    def __init__(self, speed: float, clock: Callable[[], float]) -> None:
        self.speed = speed
        self._clock = clock
        self._at = 0.0  # a position in the recording
        self._since = clock()  # when it was there
        self._next = 0.0  # the position that it waits for
        self._ended = False

    def set(self, at: float) -> None:
        """Continue from a position in the recording, now."""
        self._at = self._next = at
        self._since = self._clock()

    def end(self) -> None:
        """The recording has ended: from here on time passes at its normal speed."""
        self._at, self._since, self._ended = self.position(), self._clock(), True

    def wait(self, at: float) -> float:
        """Return the seconds until a position is due; 0 where it is due already.

        Args:
            at: the position; `position` advances up to it.
        """
        self._next = max(at, self._next)
        if math.isinf(self.speed):
            self.set(self._next)
            return 0.0
        left = (self._next - self._at) / self.speed - (self._clock() - self._since)
        return max(0.0, left)

    def skip_gap(self, at: float) -> None:
        """Shorten the gap up to a position to `MAX_GAP_SECONDS`."""
        if at - self.position() > MAX_GAP_SECONDS:
            self.set(at - MAX_GAP_SECONDS)

    def position(self) -> float:
        """Return the position in the recording, which is never beyond that waited for."""
        passed = self._clock() - self._since
        if self._ended:
            return self._at + passed
        if math.isinf(self.speed):
            return self._at
        return min(self._at + passed * self.speed, self._next)
