"""Whether a text begins with one of many: by bisection, so that a thousand cost little more."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

Text = TypeVar("Text", str, bytes)


class Beginnings(Generic[Text]):
    """A set of beginnings of texts.

    Args:
        beginnings: the beginnings, in any order; an empty one begins every text.
    """

    def __init__(self, beginnings: Iterable[Text]) -> None:
        # None of those that are held begins another. So the one that begins a text, if there is
        # one, is the last one that is not greater than the text.
        self._sorted: list[Text] = []
        for one in sorted(beginnings):
            if not (self._sorted and one.startswith(self._sorted[-1])):
                self._sorted.append(one)

    def begin(self, text: Text) -> bool:
        """Return whether one of them begins a text."""
        place = bisect_right(self._sorted, text)
        return place > 0 and text.startswith(self._sorted[place - 1])

    def select(self, texts: Sequence[Text]) -> list[Text]:
        """Return those of the texts, which are sorted, that one of them begins; in their order."""
        found: list[Text] = []
        for one in self._sorted:
            start = bisect_left(texts, one)
            found += texts[start : bisect_right(texts, one, start, key=_cut(len(one)))]
        return found


def _cut(size: int) -> Callable[[Text], Text]:
    return lambda text: text[:size]
