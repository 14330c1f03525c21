"""A set of prefixes, matched by bisection: a thousand prefixes cost little more than one. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

Text = TypeVar("Text", str, bytes)


class PrefixSet(Generic[Text]):
    """A set of prefixes.

    Args:
        prefixes: in any order; the empty prefix matches every text.
    """

    def __init__(self, prefixes: Iterable[Text]) -> None:
        # No stored prefix is a prefix of another one. So the only one that can match a text is the
        # last one that is not greater than the text.
        self._sorted: list[Text] = []
        for prefix in sorted(prefixes):
            if not (self._sorted and prefix.startswith(self._sorted[-1])):
                self._sorted.append(prefix)

    def matches(self, text: Text) -> bool:
        """Return whether a text starts with one of the prefixes."""
        index = bisect_right(self._sorted, text)
        return index > 0 and text.startswith(self._sorted[index - 1])

    def select(self, texts: Sequence[Text]) -> list[Text]:
        """Return the texts that start with one of the prefixes.

        Args:
            texts: in ascending order, which the result keeps.
        """
        found: list[Text] = []
        for prefix in self._sorted:
            start = bisect_left(texts, prefix)
            found += texts[start : bisect_right(texts, prefix, start, key=_truncate(len(prefix)))]
        return found


def _truncate(size: int) -> Callable[[Text], Text]:
    return lambda text: text[:size]
