"""Detects what the terminal can show: colours, and characters beyond ASCII."""

from __future__ import annotations

import os
import sys

from zinfo.top.glyphs import FANCY, PLAIN, Glyphs

_OLD = ("vt", "ansi", "cons25", "linux", "sun")
"""Prefixes of TERM for terminals whose fonts have no bars."""


def has_colours() -> bool:
    """Return whether to use colours: not with NO_COLOR, nor on terminals that have none."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        return False
    try:
        import curses  # noqa: PLC0415 - some Pythons are built without it

        curses.setupterm(fd=sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return curses.tigetnum("colors") != -1
    except Exception:  # the terminal is unknown; most have colours
        return not os.environ.get("TERM", "").endswith("-m")


def glyphs() -> Glyphs:
    """Return the characters to use."""
    encoding = (getattr(sys.__stderr__, "encoding", None) or "").lower().replace("-", "")
    if not encoding.startswith("utf") or os.environ.get("TERM", "").startswith(_OLD):
        return PLAIN
    return FANCY
