"""The operation `get_columns`: a few fields of all shards, as one array for each field."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence

import msgspec

from zinfo.errors import BadRequestError, ChangedError, TooLargeError
from zinfo.info.cells import is_simple_field
from zinfo.info.columns import FRACTION, INTEGER, OTHER, VALUE_BYTES, Column
from zinfo.query.arguments import MAX_COLUMNS
from zinfo.query.call import Call, OperationResult
from zinfo.query.column_reader import ColumnReader
from zinfo.query.column_revisions import Revisions
from zinfo.query.field_planner import FieldPlanner
from zinfo.query.id_lists import IdList, IdLists
from zinfo.query.servicer import FieldSelector, InfoProviderServicer, InfoQuery
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import STATES
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.codec import array_header, pack_fields

_STATE_NAMES = [state.value for state in STATES]
_CURSOR = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})", re.ASCII)
_BATCH = 1024  # ids encoded between two yield points, which takes a tenth of a millisecond
_ROW_BYTES = VALUE_BYTES + 1  # of a body, for each shard and each of its columns
_REVISION_BYTES = 2 * VALUE_BYTES  # of a body, for each shard, with revisions
_FIXED_BYTES = 512  # of a body, at most, beside its rows and columns
_COLUMN_BYTES = 64  # of a column, at most, beside its values


class ColumnOperations:
    """Runs the operation about columns.

    Args:
        servicer: answers queries for INFO.

    Attributes:
        planner: decides which fields are read from each reply when it arrives.
    """

    def __init__(self, servicer: InfoProviderServicer) -> None:
        self._publisher = servicer.publisher
        self._lists = IdLists(servicer.publisher)
        self.planner = FieldPlanner(servicer.publisher.rows)

    def get_columns(self, call: Call) -> OperationResult:
        """Return some fields of all live shards as columns, with ages and states.

        Raises:
            BadRequestError: no keys, or the cursor is not from a reply to this query.
            ChangedError: the list of the shards changed since the page before.
            TooLargeError: the values of one shard are larger than a reply may be.
        """
        args = call.args
        keys = args.texts("keys", MAX_COLUMNS)
        labels, known = args.labels("labels"), args.count("ids_revision")
        limit, cursor = args.count("limit"), args.text("cursor")
        revisions = Revisions(self._publisher) if args.flag("with_revisions") else None
        args.reject_unknown()
        if not keys:
            raise BadRequestError(f"keys is missing: the names of 1 to {MAX_COLUMNS} fields")
        call.yield_point()  # other replies may have used up this iteration of the event loop
        listed = self._lists.get(call.rights, labels, call.yield_point)
        first = _position(cursor, listed)
        page = _Page(keys, call, self._publisher, revisions, with_ids=known != listed.revision)
        page.fill(listed, first, limit or len(listed.ids))
        if cursor is None:
            self.planner.record(page.simple_fields_with_numbers())
        after = first + page.count
        extra = {"cursor": f"{listed.revision}.{after}"} if after < len(listed.ids) else {}
        return OperationResult(page.encoded(listed, first), extra)


class _Page:
    """The columns of one reply.

    Args:
        keys: names of the fields.
        call: of the operation.
        publisher: the registry of live shards.
        revisions: gets the revision of each shard; None where the page does not have them.
        with_ids: whether the page has the ids of its shards.
    """

    def __init__(
        self,
        keys: Sequence[str],
        call: Call,
        publisher: ShardPublisher,
        revisions: Revisions | None,
        *,
        with_ids: bool,
    ) -> None:
        self._limits = call.limits
        self._yield_point = call.yield_point
        self._columns = {key: Column() for key in keys}
        self._visible = {
            key: column for key, column in self._columns.items() if not call.rights.hides(key)
        }
        self._selectors: dict[str, FieldSelector] = {}
        self._reader = ColumnReader(self._visible, publisher, call.yield_point)
        self._ids: list[bytes] | None = [] if with_ids else None
        self._revisions = revisions
        self._row_bytes = _ROW_BYTES * (1 + len(keys)) + (_REVISION_BYTES if revisions else 0)
        self._size = _FIXED_BYTES + _COLUMN_BYTES * len(keys)
        self.count = 0  #: shards in the page

    def fill(self, listed: IdList, first: int, limit: int) -> None:
        """Add shards until the page is full.

        Args:
            listed: the shards.
            first: position in the list of the first one to add.
            limit: greatest number of shards.
        """
        last = min(first + limit, len(listed.ids))
        while first + self.count < last:
            room = max(0, self._limits.page_bytes - self._size) // self._row_bytes
            if self.count and not room:
                break
            start = first + self.count
            batch = last if self._ids is None and self._revisions is None else _BATCH
            snapshots = self._reader.read(listed, start, min(last - start, max(room, 1), batch))
            added = len(self._reader.states) - self.count
            if self._revisions is not None:  # of the same moment as the values
                self._revisions.read(listed.ids[start : start + added])
            if not self._take(listed.ids[start : start + added], snapshots, added <= room):
                break
            self._yield_point()

    def _take(
        self, ids: Sequence[str], snapshots: Sequence[Snapshot | None], packed_fit: bool
    ) -> bool:
        """Complete the rows that were added; returns whether all of them fit into the page.

        Args:
            ids: of the shards.
            snapshots: of the shards; empty if no value has to be parsed.
            packed_fit: whether they fit if all values are packed numbers, without the ids.
        """
        if packed_fit and not snapshots and self._ids is None:
            self._size += self._row_bytes * len(ids)
            self.count += len(ids)
            return True
        sizes = [self._row_bytes] * len(ids)
        packed_ids = []
        if self._ids is not None:
            packed_ids = list(map(pack_fields, ids))
            sizes = [size + len(packed) for size, packed in zip(sizes, packed_ids, strict=True)]
        room = self._limits.page_bytes - self._size
        for position, key in self._unparsed():
            self._yield_point()
            row = position - self.count
            size = self._parse(key, position, snapshots[row])
            sizes[row] += size
            room -= size
            if room < 0 and position:  # this row does not fit, nor do those after it
                del sizes[row + 1 :]
                break
        taken = self._number_that_fits(sizes)
        self._size += sum(sizes[:taken])
        self.count += taken
        self._reader.resize(self.count)
        if self._revisions is not None:
            self._revisions.resize(self.count)
        if self._ids is not None:
            self._ids += packed_ids[:taken]
        return taken == len(ids)

    def _unparsed(self) -> Iterator[tuple[int, str]]:
        """Yield positions and fields of the added values that are left to Python, by position."""
        return heapq.merge(
            *(_positions(key, column, self.count) for key, column in self._visible.items())
        )

    def _parse(self, key: str, position: int, snapshot: Snapshot | None) -> int:
        """Set a value that is not a plain number; returns the same as `Column.set`."""
        select = self._selectors.get(key)
        if select is None:
            select = self._selectors[key] = InfoQuery(keys=(key,)).field_selector()
        return self._visible[key].set(position, select(snapshot).get(key) if snapshot else None)

    def _number_that_fits(self, sizes: Sequence[int]) -> int:
        """Return how many of some rows fit into the page, at least one into an empty page."""
        size = self._size + sum(sizes)
        if size <= self._limits.page_bytes:
            return len(sizes)
        size = self._size
        for number, row in enumerate(sizes):
            size += row
            if size > self._limits.page_bytes and (number or self.count):
                return number
            if size > self._limits.max_reply_bytes:
                raise TooLargeError(
                    f"the values of one shard take {size} bytes, the limit is "
                    f"{self._limits.max_reply_bytes}: request fewer fields with keys"
                )
        return len(sizes)

    def simple_fields_with_numbers(self) -> list[str]:
        """Return the fields that it may be worth to read when a reply arrives."""
        return [
            key
            for key, column in self._visible.items()
            if is_simple_field(key) and (INTEGER in column.marks or FRACTION in column.marks)
        ]

    def encoded(self, listed: IdList, first: int) -> bytes:
        """Return the body of the reply."""
        ids, columns = self._ids, self._columns.values()
        for column in columns:
            column.resize(self.count)  # those of hidden fields
        return pack_fields(
            {
                "ids_revision": listed.revision,
                "total": len(listed.ids),
                "first": first,
                "count": self.count,
                "ids": None if ids is None else msgspec.Raw(_array(ids)),
                "age": self._reader.ages,
                "state": self._reader.states,
                "states": _STATE_NAMES,
                "columns": [column.as_map(self._yield_point) for column in columns],
                **({} if self._revisions is None else self._revisions.as_map()),
            }
        )


def _positions(key: str, column: Column, first: int) -> Iterator[tuple[int, str]]:
    position = column.marks.find(OTHER, first)
    while position >= 0:
        yield position, key
        position = column.marks.find(OTHER, position + 1)


def _array(items: Sequence[bytes]) -> bytes:
    return b"".join([array_header(len(items)), *items])


def _position(cursor: str | None, listed: IdList) -> int:
    """Return the position of a page's first shard."""
    if cursor is None:
        return 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadRequestError("cursor is not from a reply to this query")
    if int(found[1]) != listed.revision:
        raise ChangedError("the list of shards changed since the page before: start again")
    return min(int(found[2]), len(listed.ids))
