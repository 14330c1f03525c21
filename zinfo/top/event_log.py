"""The last events, each once and in order, over restarts of the daemon. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from zinfo.wire.lifecycle import Event

KEPT = 1000
"""Events that are held."""


class Happenings:
    """The newest events, oldest first.

    A daemon numbers its events, so that each is taken once, whichever way it comes, and in its
    place. What has no number stays where it came.

    Attributes:
        whole_to: up to this number (of this start of the daemon) no event is missing.
        version: grows with every change.
    """

    def __init__(self) -> None:
        self.whole_to = 0
        self.version = 0
        self._held: list[Event] = []
        self._begin = 0  # where those of this start of the daemon begin
        self._numbers: set[int] = set()  # of those
        self._let_go = 0  # the greatest number of this start that is held no more

    def __len__(self) -> int:
        return len(self._held)

    def add(self, events: Iterable[Event]) -> None:
        """Take events; those with a number may come in any order, and more than once."""
        for event in events:
            number = event.number
            at = len(self._held)
            if number:
                if number in self._numbers or number <= self._let_go:
                    continue
                while at > self._begin and self._held[at - 1].number > number:
                    at -= 1
                self._numbers.add(number)
            self._held.insert(at, event)
            self.version += 1
        self.have_all_to(self.whole_to)
        self._shorten()

    def have_all_to(self, number: int) -> None:
        """Whatever came up to this number is held, or not to be had."""
        self.whole_to = max(self.whole_to, number)
        while self.whole_to + 1 in self._numbers:
            self.whole_to += 1

    def begin_anew(self) -> None:
        """The daemon counts from 1 again."""
        self._begin = len(self._held)
        self._numbers.clear()
        self.whole_to = self._let_go = 0

    def last(self, count: int, shard: str | None = None) -> list[Event]:
        """Return the newest events, oldest first.

        Args:
            count: how many at most.
            shard: only of this one; "" for those of the daemon itself, None for all.
        """
        held = self._held
        if shard is not None:
            held = [event for event in held if event.shard == shard]
        return held[-count:] if count > 0 else []

    def _shorten(self) -> None:
        too_many = len(self._held) - KEPT
        if too_many <= 0:
            return
        for event in self._held[self._begin : max(self._begin, too_many)]:
            self._numbers.discard(event.number)
            self._let_go = max(self._let_go, event.number)
        del self._held[:too_many]
        self._begin = max(0, self._begin - too_many)
