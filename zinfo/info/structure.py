"""Decides whether a value is a map or a list, or prose with commas and equals signs. Pure.

What servers write for programs has no blanks in its names: `ip=10.0.0.1,port=6379`. What they copy
for people has: the subject of a certificate (`C=US, O=Foo, Inc`), a command line, a path.
docs/reference/info.md has the rules.
"""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"

_PAIR: Final = re.compile(
    r"""((?:[<>]=?)?             # `>=256=9` in a histogram
        (?!-[^0-9])              # an option of a command line
        [^\s=,;/\\"']+)         # not a part of a path, of a command line or of a sentence
        =([^=]*)""",
    re.VERBOSE,
)
"""`name=value`."""
_FLAG: Final = re.compile(r"[\w-]+")
"""A name without a value, between pairs."""
_FIGURE: Final = re.compile(rf"[a-z_][a-z0-9_]*={_NUMBER}")
"""A pair that may follow a comma and a blank: Pika writes `calls=1, usec=2.00`."""
_NO_VALUE: Final = "N/A"
_ITEM: Final = re.compile(r"""[^\s/\\"'{}]*""")
"""An item of a list, without `N/A`."""
_NUMBER_ITEM: Final = re.compile(_NUMBER)
_BLANKS: Final = " \t"


def split_map(text: str) -> list[tuple[str, str | None]] | None:
    """Split a text with `=` into the pairs of a map.

    Args:
        text: A value.

    Returns:
        Name and value of each pair, where the value is None for a name that stands alone; None if
        the text is prose.
    """
    items = text.lstrip(_BLANKS).split(",")
    if any(item[:1] in (" ", "\t") for item in items):
        items = [item.strip(_BLANKS) for item in items]
        if not all(map(_FIGURE.fullmatch, items)):
            return None
    pairs: list[tuple[str, str | None]] = []
    for item in items:
        pair = _PAIR.fullmatch(item)
        if pair is not None:
            pairs.append((pair[1], pair[2]))
        elif pairs and _FLAG.fullmatch(item):
            pairs.append((item, None))
        elif item or not pairs:
            return None
    return None if pairs == [(items[0][:-1], "")] else pairs  # `QUJD=` is base64


def split_list(text: str) -> list[str] | None:
    """Split a text with a comma and without `=` into the items of a list.

    Args:
        text: A value.

    Returns:
        The items; None if the text is prose.
    """
    items = text.split(",")
    if all(map(_ITEM.fullmatch, text.replace(_NO_VALUE, "").split(","))):
        return None if any(item.count("[") != item.count("]") for item in items) else items
    items = [item.strip(_BLANKS) for item in items]
    return items if all(map(_NUMBER_ITEM.fullmatch, items)) else None
