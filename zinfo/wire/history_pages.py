"""The body of a reply to `history`: one page of series, decoded and checked. Pure.

docs/reference/protocol.md specifies it.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zinfo.errors import ProtocolError

if TYPE_CHECKING:
    Floats = memoryview[float]

VALUE_BYTES: Final = 4
"""Bytes of a value: a float32."""

NAN: Final = b"\0\0\xc0\x7f"
"""A step without a value, little-endian."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of a history.

    Attributes:
        step: seconds from one value to the next.
        newest: time of the last value of each shard, seconds since the Unix epoch.
        points: number of values of each shard in each series.
        ids: the shards.
        fields: for each series the values of all shards, in the order of `ids`, oldest first, as a
            read-only memoryview of format `f`; None if no shard has a value.
    """

    step: float
    newest: float
    points: int
    ids: list[str]
    fields: dict[str, Floats | None]


def history_page_of(body: object) -> HistoryPage:
    """Return the page in the decoded body of a reply.

    Args:
        body: as msgpack decodes it.

    Raises:
        ProtocolError: the body is not such a page, or its parts disagree.
    """
    if not isinstance(body, dict):
        raise ProtocolError("a page of a history is a map")
    step, newest = _seconds(body, "step"), _seconds(body, "newest")
    points, ids, fields = body.get("points"), body.get("ids"), body.get("fields")
    if step <= 0:
        raise ProtocolError("step must be above 0")
    if type(points) is not int or points < 0:
        raise ProtocolError("points must be an integer, and not negative")
    if not isinstance(ids, list) or set(map(type, ids)) - {str}:
        raise ProtocolError("ids must be an array of texts")
    if not isinstance(fields, dict) or set(map(type, fields)) - {str}:
        raise ProtocolError("fields must be a map with names of series")
    size = VALUE_BYTES * points * len(ids)
    series = {name: _floats(name, packed, size) for name, packed in fields.items()}
    return HistoryPage(step, newest, points, ids, series)


def _seconds(body: Mapping[object, object], name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ProtocolError(f"{name} must be a number of seconds")
    return float(value)


def _floats(name: str, packed: object, size: int) -> Floats | None:
    if packed is None:
        return None
    if not isinstance(packed, bytes) or len(packed) != size:
        raise ProtocolError(f"the series {name[:80]} must have {size} bytes")
    return memoryview(native_floats(packed)).cast("f")


def native_floats(packed: bytes, byteorder: str = sys.byteorder) -> bytes:
    """Return little-endian float32 in another byte order, by default this machine's."""
    if byteorder == "little":
        return packed
    swapped = array("f", packed)
    swapped.byteswap()
    return swapped.tobytes()
