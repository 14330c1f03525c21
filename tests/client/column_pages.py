"""Bodies of replies to `get_columns`, made from plain lists as docs/reference/protocol.md says."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

STATES = ["new", "up", "loading", "busy", "down"]


def page_of(
    columns: Mapping[str, Sequence[object]],
    *,
    ids: Sequence[str] | None,
    ids_revision: int = 1,
    total: int | None = None,
    first: int = 0,
    ages: Sequence[float],
    states: Sequence[str],
) -> dict[str, object]:
    """Return the body of one page."""
    count = len(ages)
    return {
        "ids_revision": ids_revision,
        "total": count if total is None else total,
        "first": first,
        "count": count,
        "ids": None if ids is None else list(ids),
        "age": struct.pack(f"<{count}d", *ages),
        "state": bytes(map(STATES.index, states)),
        "states": STATES,
        "columns": [part_of(values) for values in columns.values()],
    }


def part_of(values: Sequence[object]) -> dict[str, object]:
    """Return one column of a page; None in `values` for no value."""
    there = [value for value in values if value is not None]
    valid = None if len(there) == len(values) else bytes(value is not None for value in values)
    if all(type(value) is int and -(2**63) <= value < 2**63 for value in there):
        packed = struct.pack(f"<{len(values)}q", *(value or 0 for value in values))
        return {"type": "int64", "data": packed, "valid": valid}
    if all(_is_float(value) for value in there):
        numbers = (float("nan") if value is None else float(str(value)) for value in values)
        packed = struct.pack(f"<{len(values)}d", *numbers)
        return {"type": "float64", "data": packed, "valid": valid}
    return {"type": "mixed", "data": list(values), "valid": None}


def _is_float(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= 2**53)
