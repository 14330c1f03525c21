"""Selections of fields that deltas are made of: all fields, or some by name. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Final, TypeAlias

from zinfo.info.delta import Delta
from zinfo.info.parser import Layout
from zinfo.wire.codec import pack_fields

Includes: TypeAlias = "Callable[[str], bool] | frozenset[str] | None"
"""A function that returns whether a selection has the field with a name, or the names; None for all
fields."""

MAX_SELECTIONS: Final = 64
"""Selections that are encoded together: a bit each, as native code has."""

_MAX_LAYOUTS = 64  # layouts whose masks are cached


class Selections:
    """Up to `MAX_SELECTIONS` selections, by number.

    Args:
        first: the selection with number 0.

    Attributes:
        number: how many there are.
    """

    def __init__(self, first: Includes = None) -> None:
        self._selections: list[Includes] = [first]
        self._is_selective = first is not None  # whether any selection lacks some fields
        self.number = 1
        # By the id of the layout, which is stored with it so that no other gets the same id.
        self._masks: dict[int, tuple[Layout, bytes]] = {}

    def set(self, number: int, includes: Includes) -> None:
        """Replace a selection, or add one whose number is the next.

        Raises:
            ValueError: there would be too many.
        """
        if number >= MAX_SELECTIONS:
            raise ValueError(f"at most {MAX_SELECTIONS} selections")
        self._selections[number : number + 1] = [includes]
        self.number = len(self._selections)
        self._is_selective = any(one is not None for one in self._selections)
        self._masks.clear()

    def masks(self, layout: Layout) -> bytes | None:
        """Return for each line of a layout the selections that have its field, as native code does.

        Returns:
            A number of 64 bits for each line; None if all selections have all fields.
        """
        if not self._is_selective:
            return None
        found = self._masks.get(id(layout))
        if found is None:
            if len(self._masks) >= _MAX_LAYOUTS:
                self._masks.clear()
            found = self._masks[id(layout)] = layout, self._make_masks(layout)
        return found[1]

    def encode(self, delta: Delta, wanted: int, base: int) -> list[bytes | None]:
        """Return bodies of "delta" messages.

        Args:
            delta: all that has changed.
            wanted: a bit for each selection to encode.
            base: revision that the delta applies to; 0 for none.

        Returns:
            For each selection the body; None for one that is not wanted.
        """
        return [
            _encode(delta, includes, base) if wanted >> number & 1 else None
            for number, includes in enumerate(self._selections)
        ]

    def _make_masks(self, layout: Layout) -> bytes:
        masks = array("Q", bytes(8 * len(layout.names)))
        lines = {name: line for line, name in enumerate(layout.names) if name}
        for number, includes in enumerate(self._selections):
            # A set of names takes no time for other lines: there may be many of both.
            names = includes if isinstance(includes, frozenset) else filter(includes, lines)
            for name in names:
                line = lines.get(name)
                if line is not None:
                    masks[line] |= 1 << number
        return masks.tobytes()


def _encode(delta: Delta, includes: Includes, base: int) -> bytes:
    changed, unset = delta
    if includes is not None:
        has = includes.__contains__ if isinstance(includes, frozenset) else includes
        changed = {name: value for name, value in changed.items() if has(name)}
        unset = [name for name in unset if has(name)]
    return pack_fields({"set": changed, "unset": unset, "base": base})
