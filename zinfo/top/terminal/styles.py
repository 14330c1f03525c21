"""How it looks: a style for each thing, and text cut or filled to a width.

The colours are the terminal's own sixteen. None is the only sign of anything: what they say is
said in words or numbers, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from zinfo.top.glyphs import Glyphs
from zinfo.top.rows import Row
from zinfo.wire.lifecycle import (
    BUSY,
    DOWN,
    FAULT,
    LABELS_CHANGED,
    LOADING,
    NEW,
    POLLING_ERROR,
    RESTARTED,
    ROLE_CHANGED,
    SATURATED,
    SHORT_OF_FILES,
    UP,
    VERSION_CHANGED,
)

PLAIN = Style()
CLEAR = Style(dim=False)
DIM = Style(dim=True)
BOLD = Style(bold=True)
HEADING = Style(bold=True, underline=True)
CURSOR = Style(reverse=True)
ALARM = Style(bold=True, reverse=True, color="red")
WARNING = Style(bold=True, color="yellow")
BAD = Style(bold=True, color="red")
BARS = Style(color="cyan")
LIT = Style(bold=True, color="yellow")
KEY = Style(bold=True)

STATES = {
    UP: Style(color="green"),
    DOWN: BAD,
    LOADING: Style(color="yellow"),
    BUSY: Style(color="yellow"),
    NEW: Style(color="cyan"),
    "stale": Style(bold=True, color="magenta"),
}
"""Of the states of shards, and of the events that are called like them."""

EVENTS = STATES | {
    RESTARTED: Style(color="magenta"),
    ROLE_CHANGED: Style(color="magenta"),
    VERSION_CHANGED: Style(color="magenta"),
    LABELS_CHANGED: Style(color="magenta"),
    POLLING_ERROR: Style(color="yellow"),
    SATURATED: WARNING,
    SHORT_OF_FILES: WARNING,
    FAULT: BAD,
    "restart": Style(color="magenta"),
}
"""Of events."""

_OLD_INTERVALS = 3  # after which an age stands out
_OLD_AT_LEAST = 4.0  # seconds
_NEARLY_FULL = 0.9  # of maxmemory


def state_style(row: Row) -> Style:
    """Return the style of a shard's state, which stands out of a line that is dim."""
    return CLEAR + STATES.get(row.state if row.fresh else "stale", PLAIN)


def age_style(row: Row) -> Style:
    """Return the style of an age: one that is greater than it should be stands out."""
    old = max(_OLD_AT_LEAST, _OLD_INTERVALS * (row.interval or 0.0))
    return CLEAR + BAD if old < row.age < math.inf else PLAIN


def full_style(row: Row) -> Style:
    """Return the style of the part of maxmemory that is used."""
    return WARNING if row.full is not None and row.full >= _NEARLY_FULL else PLAIN


def fit(text: str, width: int, glyphs: Glyphs, *, right: bool = False) -> str:
    """Return text in exactly so many columns of the terminal.

    Args:
        text: without control characters.
        width: columns.
        glyphs: has the sign for text that was cut.
        right: to the right side.
    """
    taken = cell_len(text)
    if taken == width:
        return text
    if taken > width:
        return set_cell_size(text, width - 1) + glyphs.cut if width > 0 else ""
    filling = " " * (width - taken)
    return filling + text if right else text + filling


def strip(parts: Iterable[tuple[str, Style]], width: int) -> Strip:
    """Return a line of so many columns, made of texts and their styles."""
    return Strip([Segment(text, style) for text, style in parts if text]).adjust_cell_length(
        width, PLAIN
    )
