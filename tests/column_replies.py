"""Reads the body of a reply of `get_columns`, independently of zinfo's own client."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

_FORMATS = {"int64": "q", "float64": "d"}


def unpacked(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with lists in place of packed numbers, and None where a value is absent."""
    count = body["count"]
    return {
        **body,
        "age": list(struct.unpack(f"<{count}d", body["age"])),
        "state": [body["states"][number] for number in body["state"]],
        "columns": [_values(column, count) for column in body["columns"]],
    }


def _values(column: dict[str, Any], count: int) -> list[Any]:
    assert set(column) == {"type", "data", "valid"}
    data, valid = column["data"], column["valid"]
    if column["type"] == "mixed":
        assert valid is None
        assert len(data) == count
        return list(data)
    values: Sequence[Any] = struct.unpack(f"<{count}{_FORMATS[column['type']]}", data)
    assert valid is None or (len(valid) == count and set(valid) <= {0, 1} and 0 in valid)
    return [
        value if valid is None or valid[position] else None for position, value in enumerate(values)
    ]
