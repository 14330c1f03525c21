"""Reads the vectors of tests/data/views, which Python and the page for browsers both pass.

They are plain JSON. A row has only what differs from `_DEFAULTS`. Unknown is null.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tests.top.building import row
from zinfo.views.rows import Row

FOLDER = Path(__file__).parent.parent / "data" / "views"

_DEFAULTS: dict[str, Any] = {
    "labels": {},
    "state": "up",
    "reason": "",
    "fresh": True,
    "role": None,
    "version": None,
    "interval": 1.0,
    "age": 0.5,
    "revision": 1,
    "error": "",
    "since": None,
    "info": {},
    "rates": {},
}


def vectors(name: str) -> dict[str, Any]:
    """Return the vectors of a file."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def row_of(values: dict[str, Any]) -> Row:
    """Return the row that a vector describes."""
    given = dict(values)
    ident = given.pop("id")
    unknown = given.keys() - _DEFAULTS.keys()
    assert not unknown, unknown
    more = _DEFAULTS | given
    if more["age"] is None:
        more["age"] = math.inf
    return row(ident, **more)


def rows_of(values: list[dict[str, Any]]) -> list[Row]:
    """Return the rows that a vector describes."""
    return [row_of(one) for one in values]
