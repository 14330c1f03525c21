"""The body of a reply to `get_columns`: one page of columns, decoded and checked. Pure.

A page has some consecutive shards of the sorted id list. Numbers are packed as in a numpy array or
an Arrow buffer: 8 bytes each, little-endian. docs/reference/protocol.md specifies the body.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zinfo.errors import ProtocolError

if TYPE_CHECKING:
    Numbers: TypeAlias = memoryview[int] | memoryview[float]

ColumnType: TypeAlias = Literal["int64", "float64", "mixed"]

INT64: Final = "int64"
FLOAT64: Final = "float64"
MIXED: Final = "mixed"

_CODES: Final[Mapping[str, str]] = {INT64: "q", FLOAT64: "d"}  # of the struct and array modules
_WIDTH: Final = 8  # bytes of a packed number
_ZERO_AND_ONE: Final = b"\0\1"


@dataclass(frozen=True, slots=True)
class ColumnPart:
    """The values of one field of the shards of a page.

    Attributes:
        type: how the values are represented.
        data: 8 bytes for each shard, in this machine's byte order; for `mixed` a list of the
            values, with None where a shard does not have the field.
        valid: one byte for each shard, 0 where it does not have the field; None where all have it,
            and for `mixed`.
    """

    type: ColumnType
    data: bytes | list[object]
    valid: bytes | None

    @property
    def count(self) -> int:
        """Number of shards."""
        return len(self.data) if isinstance(self.data, list) else len(self.data) // _WIDTH

    def values(self) -> Sequence[object]:
        """Return one value for each shard; None where it does not have the field."""
        if isinstance(self.data, list):
            return self.data
        found: Sequence[object] = numbers(self.data, self.type)
        if self.valid is None:
            return found
        return [value if there else None for value, there in zip(found, self.valid, strict=True)]


@dataclass(frozen=True, slots=True)
class ColumnsPage:
    """One page of columns.

    Attributes:
        ids_revision: number of the id list; the same number means the same list.
        total: number of shards in the list.
        first: position of the first shard of this page.
        count: number of shards of this page.
        ids: their ids; None where the client has the list already.
        ages: float64 for each shard, in this machine's byte order: seconds since its INFO arrived,
            infinite before the first.
        states: the state of each shard.
        columns: one for each requested field, in the order of the request.
        revisions: int64 for each shard: number of its INFO; empty where they were not requested.
        times: float64 for each shard: wall clock at which its INFO arrived; empty in the same case.
    """

    ids_revision: int
    total: int
    first: int
    count: int
    ids: list[str] | None
    ages: bytes
    states: list[str]
    columns: list[ColumnPart]
    revisions: bytes = b""
    times: bytes = b""


def page_from_body(body: object, columns: int) -> ColumnsPage:
    """Return the page in the decoded body of a reply.

    Args:
        body: as msgpack decodes it.
        columns: number of fields in the request.

    Raises:
        ProtocolError: the body is not such a page, or its parts disagree.
    """
    if not isinstance(body, dict):
        raise ProtocolError("a page of columns is a map")
    revision, total = _count_of(body, "ids_revision"), _count_of(body, "total")
    first, count = _count_of(body, "first"), _count_of(body, "count")
    if first + count > total:
        raise ProtocolError(f"shards {first} to {first + count} of {total} cannot be in a page")
    parts = body.get("columns")
    if not isinstance(parts, list) or len(parts) != columns:
        raise ProtocolError(f"columns must be an array of {columns}")
    return ColumnsPage(
        ids_revision=revision,
        total=total,
        first=first,
        count=count,
        ids=_ids(body.get("ids"), count),
        ages=native(_packed(body.get("age"), "age", count, _WIDTH), FLOAT64),
        states=_states(body, count),
        columns=[_part(part, count) for part in parts],
        revisions=_optional(body, "revision", count, INT64),
        times=_optional(body, "time", count, FLOAT64),
    )


def numbers(packed: bytes, type_: ColumnType) -> Numbers:
    """Return packed numbers in this machine's byte order as a read-only memoryview of them."""
    return memoryview(packed).cast("q") if type_ == INT64 else memoryview(packed).cast("d")


def _part(part: object, count: int) -> ColumnPart:
    if not isinstance(part, dict):
        raise ProtocolError("a column is a map")
    type_, data, valid = part.get("type"), part.get("data"), part.get("valid")
    if type_ == MIXED:
        if not isinstance(data, list) or len(data) != count or valid is not None:
            raise ProtocolError(f"a mixed column is an array of {count} values")
        return ColumnPart(MIXED, data, None)
    if type_ != INT64 and type_ != FLOAT64:  # noqa: PLR1714 (mypy narrows no `in`)
        raise ProtocolError("the type of a column must be int64, float64 or mixed")
    packed = native(_packed(data, "data", count, _WIDTH), type_)
    if valid is not None:
        valid = _packed(valid, "valid", count, 1)
        if valid.translate(None, _ZERO_AND_ONE):
            raise ProtocolError("valid must have bytes 0 and 1")
    return ColumnPart(type_, packed, valid if valid and 0 in valid else None)


def _optional(body: Mapping[object, object], name: str, count: int, type_: str) -> bytes:
    value = body.get(name)
    return b"" if value is None else native(_packed(value, name, count, _WIDTH), type_)


def _ids(value: object, count: int) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != count or set(map(type, value)) - {str}:
        raise ProtocolError(f"ids must be an array of {count} texts")
    return value


def _states(body: Mapping[object, object], count: int) -> list[str]:
    names = body.get("states")
    if not isinstance(names, list) or set(map(type, names)) - {str}:
        raise ProtocolError("states must be an array of texts")
    packed = _packed(body.get("state"), "state", count, 1)
    try:
        if packed.count(packed[:1]) == count > 0:  # all shards are in one state, mostly
            return [names[packed[0]]] * count
        return list(map(names.__getitem__, packed))
    except IndexError:
        raise ProtocolError(f"state must have numbers below {len(names)}") from None


def _count_of(body: Mapping[object, object], name: str) -> int:
    value = body.get(name)
    if type(value) is not int or value < 0:
        raise ProtocolError(f"{name} must be an integer, and not negative")
    return value


def _packed(value: object, name: str, count: int, width: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != count * width:
        raise ProtocolError(f"{name} must have {count * width} bytes")
    return value


def native(data: bytes, type_: str, byteorder: str = sys.byteorder) -> bytes:
    """Return little-endian numbers in another byte order, by default this machine's.

    Args:
        data: the numbers; returned as it is where the orders are the same.
        type_: `int64` or `float64`.
        byteorder: `little` or `big`.
    """
    if byteorder == "little":
        return data
    swapped = array(_CODES[type_], data)
    swapped.byteswap()
    return swapped.tobytes()
