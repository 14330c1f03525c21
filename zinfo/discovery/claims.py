"""Claims: which of several sources owns a shard that more than one of them lists. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Claims(Generic[T]):
    """The order of the sources: the first one that has a shard owns it.

    The members of the sources are looked up, not copied: the owner always follows from what the
    sources have now.
    """

    def __init__(self) -> None:
        self._order: tuple[tuple[str, Mapping[str, T]], ...] = ()

    def set_order(self, sources: Iterable[tuple[str, Mapping[str, T]]]) -> bool:
        """Set the sources.

        Args:
            sources: name and members of each, in the order of precedence.

        Returns:
            Whether another source may own a shard now: the names or their order differ.
        """
        before, self._order = self._order, tuple(sources)
        return [name for name, _ in before] != [name for name, _ in self._order]

    def owner_of(self, shard_id: str) -> tuple[str, T] | None:
        """Return the name of the source that owns a shard, and its target; None if none has it."""
        for name, members in self._order:
            if shard_id in members:
                return name, members[shard_id]
        return None
