"""Suggests the known name that is most similar to an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_NAME = 80
"""Maximum length of a name for which there is a suggestion."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean X?` for the known name most similar to `name`; "" if there is none."""
    if len(name) > MAX_NAME:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]}?" if close else ""
