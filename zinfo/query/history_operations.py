"""The operation `history`: the last minutes of shards, one block of numbers for each series."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from zinfo.errors import BadRequestError, ChangedError, TooLargeError
from zinfo.history.history import SLACK, History
from zinfo.history.series import SERIES
from zinfo.query.call import Call, OperationResult
from zinfo.query.paging import ids_from
from zinfo.query.servicer import has_labels
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.wire.codec import pack_fields
from zinfo.wire.history_pages import NAN, VALUE_BYTES

_CURSOR: Final = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})\.(.*)", re.ASCII | re.DOTALL)
_FIXED_BYTES: Final = 512  # of a body, at most, beside its ids and values
_ID_BYTES: Final = 5  # of an id, at most, beside its text
_NUMBERS: Final = {name: number for number, name in enumerate(SERIES)}


class _Window(NamedTuple):
    """The steps of a reply, the same in all of its pages.

    Attributes:
        last: number of the last step.
        points: number of steps.
    """

    last: int
    points: int


class HistoryOperations:
    """Runs the operation about the history of shards.

    Args:
        publisher: the registry of live shards.
        history: of these.
    """

    def __init__(self, publisher: ShardPublisher, history: History) -> None:
        self._publisher = publisher
        self._history = history

    def history(self, call: Call) -> OperationResult:
        """Return some series of shards.

        Raises:
            BadRequestError: a series is unknown, or the cursor is not from a reply to this query.
            ChangedError: the page before is so old that its values are no longer stored.
            TooLargeError: the values of one shard are larger than a reply may be.
            UnknownShardError: no such shard is live.
        """
        args = call.args
        ids, labels = args.shard_ids(), args.labels("labels")
        fields = args.texts("fields", len(SERIES)) or tuple(SERIES)
        since, limit, cursor = args.seconds("since"), args.count("limit"), args.text("cursor")
        args.reject_unknown()
        unknown = [name for name in fields if name not in SERIES]
        if unknown:
            raise BadRequestError(
                f"fields: {unknown[0][:80]!r} is no series; known are: {', '.join(SERIES)}"
            )
        window, rest = self._window(since, cursor)
        page = _Page(self._history, fields, window, call)
        after = page.fill(self._select(ids, labels, rest, call), limit)
        extra = {} if after is None else {"cursor": f"{window.last}.{window.points}.{after}"}
        return OperationResult(page.encoded(), extra)

    def _window(self, since: float, cursor: str | None) -> tuple[_Window, str | None]:
        """Return the steps of a reply, and the cursor of the next shard."""
        history, newest = self._history, self._history.newest()
        if cursor is None:
            past = (history.grid.time_of(newest) - since) / history.grid.seconds
            return _Window(newest, max(0, min(history.points, math.ceil(past)))), None
        found = _CURSOR.fullmatch(cursor)
        if found is None or int(found[2]) > history.points or int(found[1]) > newest:
            raise BadRequestError("cursor is not from a reply to this query")
        last, count = int(found[1]), int(found[2])
        if newest - last >= SLACK:
            raise ChangedError("the page before is too old: start again")
        return _Window(last, count), found[3]

    def _select(
        self, ids: Sequence[str], labels: Mapping[str, str], cursor: str | None, call: Call
    ) -> Iterator[tuple[RedisShard, str]]:
        """Yield shards from a cursor on, each with the cursor of the page after it."""
        call.require_visible(ids)
        live = () if ids else call.rights.visible_shards(self._publisher.sorted_shard_ids())
        for shard_id, after in ids_from(ids, live, cursor):
            call.yield_point()  # before the filter: it may skip every shard
            if not ids and shard_id not in self._publisher:
                continue  # removed since the list was made
            shard = self._publisher.get_shard(shard_id)
            if has_labels(shard, labels):
                yield shard, after


class _Page:
    """The series of one reply.

    Args:
        history: has the values.
        fields: names of the series.
        window: the steps.
        call: of the operation.
    """

    def __init__(
        self, history: History, fields: Sequence[str], window: _Window, call: Call
    ) -> None:
        self._history = history
        self._window = window
        self._call = call
        self._ids: list[str] = []
        self._blocks: dict[str, list[bytes]] = {name: [] for name in fields}
        self._has_values: set[str] = set()
        hides = call.rights.hides
        self._visible = [name for name in fields if not any(map(hides, SERIES[name]))]
        self._none = NAN * window.points

    def fill(self, shards: Iterator[tuple[RedisShard, str]], limit: int) -> str | None:
        """Add shards until the page is full.

        Args:
            shards: each with the cursor of the page after it.
            limit: greatest number of shards; 0 for as many as fit.

        Returns:
            The cursor of the next page; None if there is none.
        """
        limits, size, last = self._call.limits, _FIXED_BYTES, None
        row_bytes = VALUE_BYTES * self._window.points * len(self._blocks)
        for shard, after in shards:
            size += row_bytes + _ID_BYTES + len(shard.id.encode("utf-8", "replace"))
            if self._ids and (size > limits.page_bytes or 0 < limit <= len(self._ids)):
                return last
            if size > limits.max_reply_bytes:
                raise TooLargeError(
                    f"the history of one shard takes {size} bytes, the limit is "
                    f"{limits.max_reply_bytes}: request fewer fields"
                )
            self._add(shard)
            last = after
        return None

    def _add(self, shard: RedisShard) -> None:
        self._ids.append(shard.id)
        for name in self._visible:
            found = self._history.read(shard, _NUMBERS[name], *self._window)
            if found is not None:
                self._has_values.add(name)
            self._blocks[name].append(self._none if found is None else found)

    def encoded(self) -> bytes:
        """Return the body of the reply."""
        grid, blocks = self._history.grid, {}
        for name, parts in self._blocks.items():
            self._call.yield_point()
            blocks[name] = b"".join(parts) if name in self._has_values else None
        self._call.yield_point()
        return pack_fields(
            {
                "step": grid.seconds,
                "newest": grid.time_of(self._window.last),
                "points": self._window.points,
                "ids": self._ids,
                "fields": blocks,
            }
        )
