"""The operation `get_columns`: a few fields of all shards, as one array for each field."""

from __future__ import annotations

import math
import re
import time
from array import array
from collections.abc import Sequence

import msgspec

from zinfo.errors import BadRequestError, ChangedError, TooLargeError
from zinfo.info.columns import VALUE_BYTES, Column
from zinfo.query.arguments import MAX_COLUMNS
from zinfo.query.call import Call, OperationResult
from zinfo.query.id_lists import IdList, IdLists
from zinfo.query.servicer import FieldSelector, InfoProviderServicer, InfoQuery
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.wire.codec import array_header, pack_fields

_STATES = [state.value for state in ShardState]
_STATE_NUMBERS = {state: number for number, state in enumerate(ShardState)}
_CURSOR = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})", re.ASCII)
_FIXED_BYTES = 512  # of a body, at most, beside what it has for each shard and each column
_COLUMN_BYTES = 64  # of a column, at most, beside its values


class ColumnOperations:
    """Runs the operation about columns.

    Args:
        servicer: answers queries for INFO.
    """

    def __init__(self, servicer: InfoProviderServicer) -> None:
        self._publisher = servicer.publisher
        self._lists = IdLists(servicer.publisher)

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
        args.reject_unknown()
        if not keys:
            raise BadRequestError(f"keys is missing: the names of 1 to {MAX_COLUMNS} fields")
        listed = self._lists.get(call.rights, labels, call.yield_point)
        first = _position(cursor, listed)
        page = _Page(keys, call, with_ids=known != listed.revision)
        ids = listed.ids[first : first + limit] if limit else listed.ids[first:]
        for shard_id in ids:
            call.yield_point()
            if not page.add(shard_id, self._publisher.find_shard(shard_id)):
                break
        after = first + page.count
        extra = {"cursor": f"{listed.revision}.{after}"} if after < len(listed.ids) else {}
        return OperationResult(page.encoded(listed, first), extra)


class _Page:
    """The columns of one reply.

    Args:
        keys: names of the fields.
        call: of the operation.
        with_ids: whether the page has the ids of its shards.
    """

    def __init__(self, keys: Sequence[str], call: Call, *, with_ids: bool) -> None:
        self._call = call
        self._columns = {key: Column() for key in keys}
        self._visible = [key for key in keys if not call.rights.hides(key)]
        self._select: FieldSelector = InfoQuery(keys=self._visible).field_selector()
        self._ids: list[bytes] | None = [] if with_ids else None
        self._ages = array("d")
        self._states = bytearray()
        self._size = _FIXED_BYTES + _COLUMN_BYTES * len(keys)
        self.count = 0  #: shards in the page

    def add(self, shard_id: str, shard: RedisShard | None) -> bool:
        """Add a shard, unless the page is full; returns whether it was added.

        Args:
            shard_id: its id.
            shard: None if it was removed a moment ago.
        """
        snapshot = shard.snapshot if shard else None
        fields = self._select(snapshot) if snapshot and self._visible else {}
        size = VALUE_BYTES + 1 + (VALUE_BYTES + 1) * len(self._columns)
        for key, column in self._columns.items():
            size += column.append(fields.get(key))
        packed_id = pack_fields(shard_id)
        if self._ids is not None:
            size += len(packed_id)
        if self.count and self._size + size > self._call.limits.page_bytes:
            for column in self._columns.values():
                column.truncate(self.count)
            return False
        if self._size + size > self._call.limits.max_reply_bytes:
            raise TooLargeError(
                f"the values of one shard take {self._size + size} bytes, the limit is "
                f"{self._call.limits.max_reply_bytes}: request fewer fields with keys"
            )
        if self._ids is not None:
            self._ids.append(packed_id)
        self._ages.append(max(time.monotonic() - snapshot.at, 0.0) if snapshot else math.inf)
        self._states.append(_STATE_NUMBERS[shard.state if shard else ShardState.DOWN])
        self._size += size
        self.count += 1
        return True

    def encoded(self, listed: IdList, first: int) -> bytes:
        """Return the body of the reply."""
        ids = self._ids
        return pack_fields(
            {
                "ids_revision": listed.revision,
                "total": len(listed.ids),
                "first": first,
                "count": self.count,
                "ids": None if ids is None else msgspec.Raw(_array(ids)),
                "age": self._ages.tobytes(),
                "state": self._states,
                "states": _STATES,
                "columns": [
                    column.as_map(self._call.yield_point) for column in self._columns.values()
                ],
            }
        )


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
