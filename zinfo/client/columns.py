"""Columns: some fields of many shards, one array for each field. Pure.

`Columns` is made from the pages of a reply to `get_columns`. Numbers stay packed as they came: a
reply of one page is not copied, and the pages of a longer one are copied once, when they are
joined.
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, cast, overload

from zinfo.client.updates import Value
from zinfo.errors import ProtocolError
from zinfo.wire.column_pages import (
    FLOAT64,
    INT64,
    MIXED,
    ColumnPart,
    ColumnsPage,
    ColumnType,
    numbers,
)

if TYPE_CHECKING:
    from zinfo.wire.column_pages import Numbers


class Column(Sequence["Value | None"]):
    """The values of one field, in the order of `Columns.ids`.

    As a sequence, it has None for a shard that does not have the field, that was never polled, or
    whose field this client cannot see.

    Attributes:
        dtype: `int64`, `float64`, or `mixed` for anything else: text, maps, lists, integers beyond
            64 bits, and integers and fractions that float64 cannot both represent exactly.
        values: the numbers, as a contiguous read-only memoryview of format `q` (int64) or `d`
            (float64), which numpy.frombuffer and pyarrow.py_buffer take without a copy; a number
            without meaning (0 or NaN) where `valid` is 0. For `mixed` a list, with None where there
            is no value.
        valid: one byte for each shard, 1 where it has the field, else 0; None where all have it,
            and for `mixed`.
    """

    __slots__ = ("dtype", "valid", "values")

    def __init__(
        self, dtype: ColumnType, values: Numbers | list[Value | None], valid: bytes | None
    ) -> None:
        self.dtype = dtype
        self.values = values
        self.valid = None if valid is None else memoryview(valid)

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Value | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[Value | None]: ...
    def __getitem__(self, index: int | slice) -> Value | list[Value | None] | None:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if self.valid is not None and not self.valid[index]:
            return None
        return self.values[index]

    def __iter__(self) -> Iterator[Value | None]:
        if self.valid is None:
            return iter(self.values)
        pairs = zip(self.values, self.valid, strict=True)
        return (value if there else None for value, there in pairs)

    def __repr__(self) -> str:
        return f"<Column of {len(self)} values, {self.dtype}>"


class Columns(Mapping[str, Column]):
    """Some fields of many shards: a mapping from the name of a field to its `Column`.

    The names are in the order of the request. Position n of every column, of `ages` and of `states`
    belongs to the shard `ids[n]`.

    Attributes:
        ids: ids of the shards, sorted. All live shards, also those that were never polled.
        ages: seconds since the INFO of each shard arrived, as a read-only memoryview of format `d`;
            infinite before the first.
        states: state of each shard: new, up, loading, busy or down.
        revisions: number of the INFO of each shard, as a read-only memoryview of format `q`; 0
            before the first. None unless they were requested.
        times: wall clock at which the INFO of each shard arrived, seconds since the Unix epoch, as
            a read-only memoryview of format `d`; None unless revisions were requested.
    """

    __slots__ = ("_columns", "ages", "ids", "revisions", "states", "times")

    def __init__(
        self,
        ids: tuple[str, ...],
        ages: memoryview[float],
        states: tuple[str, ...],
        columns: dict[str, Column],
        revisions: memoryview[int] | None = None,
        times: memoryview[float] | None = None,
    ) -> None:
        self.ids = ids
        self.revisions = revisions
        self.times = times
        self.ages = ages
        self.states = states
        self._columns = columns

    def rows(self) -> Iterator[tuple[str, tuple[Value | None, ...]]]:
        """Yield the id of each shard with its values, in the order of the names."""
        return zip(self.ids, zip(*self._columns.values(), strict=True), strict=True)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        types = ", ".join(f"{name}: {column.dtype}" for name, column in self.items())
        return f"<Columns of {len(self.ids)} shards, {types}>"


def columns_of(
    names: Sequence[str],
    pages: Sequence[ColumnsPage],
    known: tuple[str, ...] | None,
    *,
    with_revisions: bool = False,
) -> Columns:
    """Return the columns in all pages of a reply.

    Args:
        names: of the requested fields.
        pages: in their order.
        known: the id list that pages without ids refer to; None for none.
        with_revisions: whether the pages have revisions and times.

    Raises:
        ProtocolError: the pages do not follow each other, or have a different id list.
    """
    _check_order(pages)
    joined = map(_join, zip(*(page.columns for page in pages), strict=True))
    revisions, times = _numbers_of_infos(pages) if with_revisions else (None, None)
    return Columns(
        ids=_ids(pages, known),
        ages=memoryview(_bytes([page.ages for page in pages])).cast("d"),
        states=tuple(chain.from_iterable(page.states for page in pages)),
        columns=dict(zip(names, joined, strict=True)),
        revisions=revisions,
        times=times,
    )


def _numbers_of_infos(
    pages: Sequence[ColumnsPage],
) -> tuple[memoryview[int], memoryview[float]]:
    """Return the revisions and times in all pages."""
    revisions = _bytes([page.revisions for page in pages])
    times = _bytes([page.times for page in pages])
    if not len(revisions) == len(times) == 8 * pages[0].total:
        raise ProtocolError("a page of columns lacks revisions")
    return memoryview(revisions).cast("q"), memoryview(times).cast("d")


def joined(columns: Sequence[Column]) -> Column:
    """Return the values of several columns in a row, as a type that has all of them exactly."""
    return _join([_part(column) for column in columns])


def _part(column: Column) -> ColumnPart:
    if isinstance(column.values, list):
        return ColumnPart(MIXED, cast("list[object]", column.values), None)
    valid = None if column.valid is None else column.valid.tobytes()
    return ColumnPart(column.dtype, column.values.tobytes(), valid)


def _check_order(pages: Sequence[ColumnsPage]) -> None:
    position = 0
    for page in pages:
        list_, first_list = (page.ids_revision, page.total), (pages[0].ids_revision, pages[0].total)
        if list_ != first_list or page.first != position:
            raise ProtocolError("a page of columns does not continue the page before it")
        position += page.count
    if not pages or position != pages[0].total:
        raise ProtocolError("pages of columns are missing")


def _ids(pages: Sequence[ColumnsPage], known: tuple[str, ...] | None) -> tuple[str, ...]:
    lists = [page.ids for page in pages if page.ids is not None]
    if len(lists) == len(pages):
        return tuple(chain.from_iterable(lists))
    if lists or known is None or len(known) != pages[0].total:
        raise ProtocolError("a page of columns lacks ids that this client does not have")
    return known


def _join(parts: Sequence[ColumnPart]) -> Column:
    """Return the column in the parts of all pages, whose types may differ."""
    type_ = _common_type(parts)
    if type_ == MIXED:
        return Column(MIXED, _values(parts), None)
    packed = _bytes([_packed(part, type_) for part in parts])
    return Column(type_, numbers(packed, type_), _valid(parts))


def _common_type(parts: Sequence[ColumnPart]) -> ColumnType:
    """Return the type that represents the values of all parts exactly."""
    # The type of a part without any value says nothing about the field.
    used = [part for part in parts if not _is_empty(part)] or parts
    types = {part.type for part in used}
    if len(types) == 1:
        return used[0].type
    if MIXED in types or not all(map(_is_exact_as_float, used)):
        return MIXED
    return FLOAT64


def _is_empty(part: ColumnPart) -> bool:
    if isinstance(part.data, list):
        return all(value is None for value in part.data)
    return not part.data or (part.valid is not None and 1 not in part.valid)


def _is_exact_as_float(part: ColumnPart) -> bool:
    """Return whether float64 represents all numbers of a packed part."""
    if part.type == FLOAT64:
        return True
    integers = _integers(part)
    return all(map(operator.eq, array("d", integers), integers))  # Python compares them exactly


def _integers(part: ColumnPart) -> memoryview[int]:
    return memoryview(cast("bytes", part.data)).cast("q")


def _packed(part: ColumnPart, type_: ColumnType) -> bytes:
    """Return the numbers of a part, as `type_`."""
    if part.type == type_:
        return cast("bytes", part.data)
    if part.type == INT64:
        return array("d", _integers(part)).tobytes()
    return bytes(8 * part.count)  # without any value: see _common_type


def _values(parts: Sequence[ColumnPart]) -> list[Value | None]:
    values = [part.values() for part in parts]
    joined = values[0] if len(values) == 1 else chain.from_iterable(values)
    return cast("list[Value | None]", joined if isinstance(joined, list) else list(joined))


def _valid(parts: Sequence[ColumnPart]) -> bytes | None:
    """Return a byte for each shard, or None if all parts have all values; none is `mixed`."""
    if all(part.valid is None and part.type != MIXED for part in parts):
        return None
    return _bytes([_valid_of(part) for part in parts])


def _valid_of(part: ColumnPart) -> bytes:
    if part.type == MIXED:
        return bytes(part.count)  # without any value: see _common_type
    return b"\1" * part.count if part.valid is None else part.valid


def _bytes(parts: Sequence[bytes]) -> bytes:
    """Return all parts in a row; a single one is not copied."""
    return parts[0] if len(parts) == 1 else b"".join(parts)
