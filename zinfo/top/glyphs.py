"""The characters that bars, arrows and cut texts are made of. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Glyphs(NamedTuple):
    """The characters that a terminal can show.

    Attributes:
        bars: of growing height, from the lowest to the full one.
        cut: replaces the end of a text that does not fit; one character.
        rising, falling: mark the column that rows are sorted by.
        folded, unfolded: mark the line of a group.
        left, right: say that there is more at this side.
    """

    bars: str
    cut: str
    rising: str
    falling: str
    folded: str
    unfolded: str
    left: str
    right: str


FANCY = Glyphs("▁▂▃▄▅▆▇█", "…", "▲", "▼", "▸", "▾", "◂", "▸")
"""For terminals with Unicode and such a font."""

PLAIN = Glyphs("_.:-=+*#", "~", "^", "v", "+", "-", "<", ">")
"""For other terminals: ASCII only."""
