"""The characters that bars, arrows and cut texts are made of. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Glyphs(NamedTuple):
    """What a terminal can show.

    Attributes:
        bars: of growing height, from the lowest to the full one.
        cut: the end of a text that did not fit; one character.
        rising, falling: beside the column that rows are put in order by.
    """

    bars: str
    cut: str
    rising: str
    falling: str


FANCY = Glyphs("▁▂▃▄▅▆▇█", "…", "▲", "▼")
"""For terminals that can show them."""

PLAIN = Glyphs("_.:-=+*#", "~", "^", "v")
"""For those that cannot."""
