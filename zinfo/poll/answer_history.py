"""Decides whether a host name has lost an address, by the newest answers to its lookups. Pure.

One answer without an address proves little: name servers rotate the addresses of a name, or return
a part of them. So a lost address is missing from several answers in a row that are all the same,
and from the more of them, the more often the answers of this name have changed lately.
"""

from __future__ import annotations

MIN_ANSWERS = 2
"""Answers in a row that a lost address is missing from, at least."""

MAX_ANSWERS = 64
"""Answers that are remembered. An address that is in none of them is lost, even if they differ."""

_MASK = (1 << MAX_ANSWERS) - 1


class AnswerHistory:
    """The newest answers of one name."""

    __slots__ = ("_answer", "_changes", "_equal", "_last_seen", "_number")

    def __init__(self) -> None:
        self._answer: frozenset[str] = frozenset()
        self._number = 0  # of the newest answer
        self._equal = 0  # newest answers in a row that are equal
        self._changes = 0  # a bit for each remembered answer: it differed from the one before
        self._last_seen: dict[str, int] = {}  # number of the last answer with an address

    def add(self, answer: frozenset[str]) -> None:
        """Add an answer, the addresses of the name in any order."""
        changed = answer != self._answer
        self._changes = (self._changes << 1 | (changed and self._number > 0)) & _MASK
        self._equal = 1 if changed else self._equal + 1
        self._answer = answer
        self._number += 1
        oldest = self._number - MAX_ANSWERS
        self._last_seen = {
            **{address: number for address, number in self._last_seen.items() if number > oldest},
            **dict.fromkeys(answer, self._number),
        }

    def add_connected(self, address: str) -> None:
        """Count an address as one of the newest answer, because a connect has just found it."""
        self._last_seen[address] = self._number

    def has_lost(self, address: str) -> bool:
        """Return whether the name has lost an address that it had when a shard connected to it."""
        missing = self._number - self._last_seen.get(address, self._number - MAX_ANSWERS)
        if missing >= MAX_ANSWERS:
            return True
        needed = max(MIN_ANSWERS, 1 + self._changes.bit_count())
        return missing >= needed and self._equal >= needed
