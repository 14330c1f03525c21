"""A page of a history as JSON: an array of numbers for each shard of each series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from zinfo.adapters.http.responses import encode
from zinfo.loop.yielding import CooperativeYield
from zinfo.wire.codec import unpack
from zinfo.wire.history_pages import history_page_of

HISTORY_PAGE_BYTES: Final = 1 << 18
"""Target size of a page in bytes of msgpack: 45 shards with all series of 15 minutes."""

_DECIMALS: Final = {"hit_ratio": 4, "ops": 2, "evicted": 2, "lag": 1}
"""Digits after the point by series; none for bytes and numbers of clients."""


def history_as_json(packed: bytes) -> bytes:
    """Return the body of a reply to `history` as JSON; yields to the event loop.

    Args:
        packed: the body.
    """
    yielder = CooperativeYield(low_priority=True)
    page = history_page_of(unpack(packed))
    fields = {}
    for name, values in page.fields.items():
        rows = []
        for first in range(0, len(page.ids) * page.points, page.points or 1):
            yielder.maybe_yield()
            row = None if values is None else values[first : first + page.points].tolist()
            rows.append(_encoded(row, _DECIMALS.get(name)))
        fields[name] = rows if page.points else [_NULL] * len(page.ids)
    return encode(
        {
            "step": page.step,
            "newest": page.newest,
            "points": page.points,
            "ids": page.ids,
            "fields": fields,
        }
    )


def _encoded(row: Sequence[float] | None, decimals: int | None) -> msgspec.Raw:
    """Return the values of a shard; null in place of an array without any value."""
    if row is None:
        return _NULL
    # A value that is not equal to itself is NaN: there is none.
    values = [round(value, decimals) if value == value else None for value in row]  # noqa: PLR0124
    return _NULL if values.count(None) == len(values) else msgspec.Raw(encode(values))


_NULL: Final = msgspec.Raw(b"null")
