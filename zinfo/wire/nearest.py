"""Suggests the known name that is most similar to an unknown one, for errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from os.path import commonprefix

MAX_NAME = 80
"""Maximum length of a name for which there is a suggestion."""

_MAX_COMPARED = 200  # names; comparing two of 40 characters takes a tenth of a millisecond


def most_similar(name: str, known: Iterable[str]) -> str:
    """Return the known name most similar to `name`; "" if there is none.

    Args:
        name: the unknown name.
        known: any number of names. Of more than 200 only those are compared that have the longest
            beginning and end in common with `name`.
    """
    if len(name) > MAX_NAME:
        return ""
    names = list(known)
    if len(names) > _MAX_COMPARED:
        names = sorted(names, key=lambda one: -_same_ends(name, one))[:_MAX_COMPARED]
    close = difflib.get_close_matches(name, names, n=1)
    return close[0] if close else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean X?` for the known name most similar to `name`; "" if there is none.

    Args:
        name: the unknown name.
        known: as for `most_similar`.
    """
    similar = most_similar(name, known)
    return f", did you mean {similar}?" if similar else ""


def _same_ends(one: str, other: str) -> int:
    """Return the number of characters that two texts have in common at begin and end."""
    begin = len(commonprefix((one, other)))  # noqa: RUF071 - these are no paths
    return begin + len(commonprefix((one[begin:][::-1], other[begin:][::-1])))  # noqa: RUF071
