"""Reads some fields of INFO of all shards from a daemon, with `get_columns`.

Fields that no shard has are requested again only now and then: thousands of servers have one
database, and sixteen are asked for. A daemon of a version without revisions in `get_columns` is
asked with `get_infos`, which costs it several times as much.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from zinfo.client import Client
from zinfo.client.columns import Column, Columns
from zinfo.client.sockets import clock
from zinfo.client.updates import Info, Value
from zinfo.errors import BadRequestError, UnknownOpError
from zinfo.top.record import Reading
from zinfo.wire.column_pages import MIXED
from zinfo.wire.lifecycle import NEW

TIMEOUT = 10.0
"""Seconds for a reply; a busy daemon takes its time for all shards."""

MAX_COLUMNS = 64
"""Fields of one request. If there are more, there are several requests."""


class ShardFields(NamedTuple):
    """What was read of one shard beside the fields.

    Attributes:
        state: new, up, loading, busy or down.
        age: seconds since its newest INFO; infinite before the first.
    """

    state: str
    age: float


class FieldsReader:
    """Reads fields of all shards, or of those with some labels.

    Args:
        client: sends the requests.
        labels: those that a shard must have; empty for any.
    """

    def __init__(self, client: Client, labels: Mapping[str, str]) -> None:
        self._client = client
        self._labels = labels
        self._absent: set[str] = set()  # fields that no shard had when they were requested last
        self._has_columns = True

    def forget(self) -> None:
        """Ask for everything the next time: it may be another version of the daemon."""
        self._has_columns = True
        self.forget_absent()

    def forget_absent(self) -> None:
        """Ask for all fields the next time, also those that no shard had."""
        self._absent.clear()

    def read(self, fields: Collection[str]) -> tuple[dict[str, ShardFields], list[Reading]]:
        """Return state and age of each shard, and the fields of each that was polled.

        Args:
            fields: at least one.

        Raises:
            NoAnswerError, RequestError, ProtocolError: as any request does.
        """
        asked = [name for name in fields if name not in self._absent] or [*fields][:1]
        if self._has_columns:
            try:
                return self._read_columns(asked)
            except (BadRequestError, UnknownOpError):
                self._has_columns = False
        return self._read_infos(asked)

    # --- with get_columns

    def _read_columns(self, names: Sequence[str]) -> tuple[dict[str, ShardFields], list[Reading]]:
        parts, at = [], 0.0
        for first in range(0, len(names) or 1, MAX_COLUMNS):
            part = self._client.get_columns(
                names[first : first + MAX_COLUMNS],
                self._labels,
                with_revisions=True,
                timeout=TIMEOUT,
            )
            parts.append(part)
            at = at or clock()
        if NEW not in parts[0].states:
            for part in parts:
                self._absent.update(name for name, one in part.items() if _is_empty(one))
        newest = parts[0]
        shards = dict(zip(newest.ids, map(ShardFields, newest.states, newest.ages), strict=True))
        return shards, list(_readings(parts, at))

    # --- with get_infos

    def _read_infos(self, names: Sequence[str]) -> tuple[dict[str, ShardFields], list[Reading]]:
        shards, readings = {}, []
        for page in self._client.iter_infos(keys=names, labels=self._labels, timeout=TIMEOUT):
            now = clock()
            for info in page:
                meta = info.pop("meta")
                shard, age = meta["shard_identifier"], meta["info_age"]
                shards[shard] = ShardFields(meta["state"], age)
                readings.append(Reading(shard, meta["revision"], meta["time"], now - age, info))
        return shards, readings


def _is_empty(column: Column) -> bool:
    """Return whether no shard has a field."""
    present = column.values if column.valid is None else column.valid
    if column.valid is None and column.dtype != MIXED:
        return False
    return not any(one is not None and one != 0 for one in present)


def _readings(parts: Sequence[Columns], at: float) -> Iterator[Reading]:
    """Yield the INFO of each shard that was polled, and not again between two requests.

    Such a shard would have values of two moments; the next reading has it.

    Args:
        parts: the replies, of different fields.
        at: when the first was received, by the model's clock.
    """
    others = [dict(zip(part.ids, _infos(part), strict=True)) for part in parts[1:]]
    for age, (shard, (revision, time, info)) in zip(
        parts[0].ages, zip(parts[0].ids, _infos(parts[0]), strict=True), strict=True
    ):
        found = [one.get(shard) for one in others]
        if revision and all(one is not None and one[0] == revision for one in found):
            for one in found:
                info.update(one[2] if one else {})
            yield Reading(shard, revision, time, at - age, info)


def _infos(columns: Columns) -> Iterator[tuple[int, float, Info]]:
    """Yield revision, time and fields of each shard."""
    assert columns.revisions is not None
    assert columns.times is not None
    names = [name for name, column in columns.items() if not _is_empty(column)]
    values = zip(*(columns[name] for name in names), strict=True)
    empty: Iterable[tuple[Value | None, ...]] = itertools.repeat((), len(columns.ids))
    for revision, time, row in zip(
        columns.revisions, columns.times, values if names else empty, strict=True
    ):
        yield (
            revision,
            time,
            {name: value for name, value in zip(names, row, strict=True) if value is not None},
        )
