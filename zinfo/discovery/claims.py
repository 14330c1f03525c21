"""Claims: which of several sources owns a shard that more than one of them lists. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Claims(Generic[S, T]):
    """The order of the sources: the first one that has a shard owns it.

    The members of the sources are looked up, not copied: the owner always follows from what the
    sources have now.
    """

    def __init__(self) -> None:
        self._order: tuple[tuple[S, Mapping[str, T]], ...] = ()

    def set_order(self, sources: Iterable[tuple[S, Mapping[str, T]]]) -> bool:
        """Set the sources.

        Args:
            sources: each source and its members, in the order of precedence.

        Returns:
            Whether another source may own a shard now: the sources or their order differ.
        """
        before, self._order = self._order, tuple(sources)
        return [one for one, _ in before] != [one for one, _ in self._order]

    def owner_of(self, shard_id: str) -> tuple[S, T] | None:
        """Return the source that owns a shard, and its target; None if no source has it."""
        for source, members in self._order:
            if shard_id in members:
                return source, members[shard_id]
        return None
