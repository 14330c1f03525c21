"""FieldSets: the selections of fields that sockets with the same hidden fields publish. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from zinfo.info.selections import MAX_SELECTIONS, Selections

WHOLE = 0
"""Number of the selection with all fields that are not hidden."""


class FieldSets:
    """All fields, and the sets of fields that are subscribed, without hidden fields.

    Sockets that hide the same fields share one, so that each delta is encoded once for all.

    Args:
        hides: returns whether a field is hidden; None if none is.

    Attributes:
        selections: the selections by number; `WHOLE` is the first.
    """

    def __init__(self, hides: Callable[[str], bool] | None = None) -> None:
        self._hides = hides
        self.selections = Selections(None if hides is None else lambda name: not hides(name))
        self._numbers: dict[tuple[str, ...], int] = {}
        self._users: Counter[tuple[str, ...]] = Counter()
        self._free: list[int] = []

    def add(self, names: Sequence[str]) -> int | None:
        """Count a socket that publishes a set of fields.

        Args:
            names: the fields of the set.

        Returns:
            The number of their selection; None if there are too many sets.
        """
        key = tuple(names)
        number = self._numbers.get(key)
        if number is None:
            if not self._free and self.selections.number == MAX_SELECTIONS:
                return None
            number = self._free.pop() if self._free else self.selections.number
            self.selections.set(number, self._visible(key))
            self._numbers[key] = number
        self._users[key] += 1
        return number

    def remove(self, names: Sequence[str]) -> None:
        """Count a socket less that publishes a set of fields."""
        key = tuple(names)
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key]
            number = self._numbers.pop(key)
            self.selections.set(number, frozenset())
            self._free.append(number)

    def _visible(self, names: Sequence[str]) -> frozenset[str]:
        hides = self._hides
        return frozenset(name for name in names if hides is None or not hides(name))
