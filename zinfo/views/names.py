"""Short names of shards: what all ids have in common is elided, so that a column fits them. Pure.

Ids are divided before each `-` `.` `_` `:` and `/`. A part distinguishes shards if some ids that
are equal up to it go on differently. The other parts say nothing that the distinguishing ones do
not say, and are replaced by an ellipsis where the width requires it:

    prod-ap-southeast-1-cache-0017.ab1c.cache.example.com:6379    the whole id
    prod-ap-southeast-1-cache-0017…:6379                          what follows the last of them
    …ap-southeast-1-cache-0017…:6379                              what precedes the first of them
    …ap-southeast…0017…:6379                                      what is between them
    …ap-southeast…0017…                                           the last part
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

ELLIPSIS = "…"
"""Stands for what is elided."""

MIN_WIDTH = 8
"""The least width of a short name, in characters."""

_BEFORE_SEPARATOR = re.compile(r"(?=[-._:/])")
_MAX_PARTS = 32  # of an id; what follows is one part
_DROPPED = "-._/"  # separators that are left out after an ellipsis; a port keeps its colon


@dataclass(slots=True)
class _Node:
    """What follows a beginning that some ids share."""

    children: dict[str, _Node] = field(default_factory=dict)
    ends: bool = False  # whether an id ends here

    @property
    def divides(self) -> bool:
        return len(self.children) + self.ends > 1


def shorten(ids: Sequence[str], width: int, ellipsis: str = ELLIPSIS) -> dict[str, str]:
    """Return a short name for each id, unique among them.

    An id that fits is not changed. The result does not depend on the order of the ids. Time is in
    proportion to the total length of the ids: compute the names when ids or width change, not for
    each drawing.

    Args:
        ids: all that are shown, as they are shown; where unprintable characters are escaped, the
            escaped ones.
        width: in characters, at least `MIN_WIDTH`.
        ellipsis: one character.
    """
    width = max(width, MIN_WIDTH)
    known = sorted(set(ids))
    if all(len(one) <= width for one in known):
        return {one: one for one in known}
    root = _Node()
    parts = {one: _parts(one) for one in known}
    for one in known:
        node = root
        for part in parts[one]:
            node = node.children.setdefault(part, _Node())
        node.ends = True
    shapes = _Shapes(width, ellipsis)
    names = {one: shapes.short(parts[one], _kept(root, parts[one])) for one in known}
    return _unique(names, width, ellipsis)


class _Shapes:
    """Shortens ids. Those whose parts have the same lengths are treated alike, which saves time.

    Args:
        width: in characters.
        ellipsis: one character.
    """

    def __init__(self, width: int, ellipsis: str) -> None:
        self._width, self._ellipsis = width, ellipsis
        self._forms: dict[tuple[object, ...], list[bool]] = {}

    def short(self, parts: Sequence[str], kept: Sequence[bool]) -> str:
        """Return the longest form of an id that fits into the width."""
        lengths = [(len(part), len(part.lstrip(_DROPPED))) for part in parts]
        key = (*lengths, *kept)
        shown = self._forms.get(key)
        if shown is None:
            shown = self._forms[key] = self._form(parts, kept)
        text = _text(parts, shown, self._ellipsis)
        return text if len(text) <= self._width else _crop(text, self._width, self._ellipsis)

    def _form(self, parts: Sequence[str], kept: Sequence[bool]) -> list[bool]:
        shown: list[bool] = []
        for shown in _forms(list(kept)):
            if len(_text(parts, shown, self._ellipsis)) <= self._width:
                return _filled(parts, shown, self._width, self._ellipsis)
        return shown


def _parts(one: str) -> list[str]:
    found = [part for part in _BEFORE_SEPARATOR.split(one, maxsplit=_MAX_PARTS) if part]
    return found or [""]


def _kept(root: _Node, parts: Sequence[str]) -> list[bool]:
    """Return which parts distinguish the id from others."""
    found, node = [], root
    for part in parts:
        found.append(node.divides)
        node = node.children[part]
    return found


def _forms(kept: list[bool]) -> Iterator[list[bool]]:
    """Yield which parts are shown, from the whole id to the distinguishing parts."""
    count = len(kept)
    if True not in kept:
        kept = [True, *kept[1:]]
    first, last = kept.index(True), count - 1 - kept[::-1].index(True)
    yield [True] * count
    yield [at <= last or at == count - 1 for at in range(count)]
    yield [first <= at <= last or at == count - 1 for at in range(count)]
    yield [*kept[:-1], True]
    yield kept


def _filled(parts: Sequence[str], shown: list[bool], width: int, ellipsis: str) -> list[bool]:
    """Return the form with more parts, from the left, as far as there is room between others."""
    first, last = shown.index(True), len(shown) - 1 - shown[::-1].index(True)
    spare = width - len(_text(parts, shown, ellipsis))
    filled = list(shown)
    for at in range(first + 1, last):
        if not filled[at] and filled[at - 1] and len(parts[at]) <= spare:
            filled[at] = True
            spare -= len(parts[at])
    return filled


def _text(parts: Sequence[str], shown: Sequence[bool], ellipsis: str) -> str:
    """Return the parts that are shown, with an ellipsis for each run of others."""
    pieces: list[str] = []
    hidden = ""
    for part, show in zip(parts, shown, strict=True):
        if not show:
            hidden += part
            continue
        if len(hidden) > 1:
            pieces += [ellipsis, part.lstrip(_DROPPED) or part]
        else:
            pieces += [hidden, part]
        hidden = ""
    pieces.append(ellipsis if len(hidden) > 1 else hidden)
    return "".join(pieces)


def _crop(text: str, width: int, ellipsis: str) -> str:
    """Return begin and end of a text."""
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}{ellipsis}{text[len(text) - end :]}"


def _unique(names: dict[str, str], width: int, ellipsis: str) -> dict[str, str]:
    """Return the names, with a number at the end of those that are equal."""
    counts: dict[str, int] = {}
    for name in names.values():
        counts[name] = counts.get(name, 0) + 1
    used = {name for name, count in counts.items() if count == 1}
    numbers: dict[str, int] = {}
    for one, name in names.items():
        if counts[name] == 1:
            continue
        unique = name
        while unique == name or unique in used:
            numbers[name] = numbers.get(name, 0) + 1
            end = f"~{numbers[name]}"
            room = max(0, width - len(end))
            unique = (name if len(name) <= room else _crop(name, room, ellipsis)) + end
        used.add(unique)
        names[one] = unique
    return names
