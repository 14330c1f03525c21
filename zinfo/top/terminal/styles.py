"""Styles, and text cut or padded to a width.

The colours are the terminal's own sixteen. Colour is never the only sign: words or numbers say the
same.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from zinfo.top.glyphs import Glyphs
from zinfo.views.formatting import EMPHASISED, EVENT_COLOURS
from zinfo.views.rows import Row

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
HIGHLIGHT = Style(bold=True, color="yellow")
KEY = Style(bold=True)

_NEARLY_FULL = 0.9  # share of maxmemory from which on memory is highlighted


@cache
def event_style(kind: str) -> Style:
    """Return the style of a state, or of a type of event."""
    colour = EVENT_COLOURS.get(kind)
    return Style(color=colour, bold=kind in EMPHASISED or None) if colour else PLAIN


def state_style(row: Row) -> Style:
    """Return the style of a shard's state, which is never dim."""
    return CLEAR + event_style(row.shown_state)


def age_style(row: Row) -> Style:
    """Return the style of an age; one that is late is red."""
    return CLEAR + BAD if row.late else PLAIN


def full_style(row: Row) -> Style:
    """Return the style of the share of maxmemory that is used."""
    return WARNING if row.full is not None and row.full >= _NEARLY_FULL else PLAIN


def severity_style(severity: str) -> Style:
    """Return the style of a severity of a problem, whose word is always shown."""
    return {"critical": BAD, "warning": WARNING}.get(severity, PLAIN)


def wrap(text: str, width: int, lines: int) -> list[str]:
    """Return text in lines of at most `width` columns; the last one has what is left, uncut."""
    made: list[str] = []
    for word in text.split():
        if made and (len(made) == lines or cell_len(made[-1]) + 1 + cell_len(word) <= width):
            made[-1] += f" {word}"
        else:
            made.append(word)
    return made


def fit(text: str, width: int, glyphs: Glyphs, *, right: bool = False) -> str:
    """Return text padded or cut to exactly `width` columns of the terminal.

    Args:
        text: without control characters.
        width: columns.
        glyphs: has the character that marks a cut.
        right: whether to align it to the right.
    """
    taken = cell_len(text)
    if taken == width:
        return text
    if taken > width:
        return set_cell_size(text, width - 1) + glyphs.cut if width > 0 else ""
    filling = " " * (width - taken)
    return filling + text if right else text + filling


def cut(parts: Iterable[tuple[str, Style]], width: int, glyphs: Glyphs) -> list[tuple[str, Style]]:
    """Return the parts of a line, as much of them as fits into `width` columns."""
    made: list[tuple[str, Style]] = []
    for text, style in parts:
        taken = cell_len(text)
        if taken > width:
            return [*made, (fit(text, width, glyphs), style)] if width > 0 else made
        made.append((text, style))
        width -= taken
    return made


def strip(parts: Iterable[tuple[str, Style]], width: int) -> Strip:
    """Return a line of `width` columns, made of texts and their styles."""
    return Strip([Segment(text, style) for text, style in parts if text]).adjust_cell_length(
        width, PLAIN
    )
