"""TextValues: the values of a reading that are not plain numbers. Pure.

Texts and maps seldom change. Each is parsed when its text differs from that of the reading before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from zinfo.adapters.page.readings import YieldPoint
from zinfo.info.cells import is_simple_field
from zinfo.info.columns import OTHER, Column
from zinfo.info.field_reader import find_texts
from zinfo.info.values import Value, reader_of
from zinfo.query.servicer import InfoQuery
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.codec import pack_fields

_MAX_VALUE: Final = 4096  # bytes of a value; a larger one is left out
_MAX_VALUES: Final = 16 << 20  # bytes of all values of a reading


class _Parsed(NamedTuple):
    """Fields of a shard: their names, their texts in the reply, and the values."""

    names: Sequence[str]
    texts: list[bytes | None]
    values: list[Value | None]


class TextValues:
    """Reads the values of one table, again and again."""

    def __init__(self) -> None:
        self._parsed: dict[str, _Parsed] = {}  # by shard
        self._newer: dict[str, _Parsed] = {}
        self._left = 0
        self.found: dict[str, dict[int, object]] = {}
        """For each field the values of the present reading, by position."""

    def begin(self) -> None:
        """Begin another reading."""
        self._parsed, self._newer = self._newer, {}
        self.found, self._left = {}, _MAX_VALUES

    def take(
        self,
        ids: Sequence[str],
        snapshots: Sequence[Snapshot | None],
        columns: Mapping[str, Column],
        start: int,
        yield_point: YieldPoint,
    ) -> None:
        """Read the values of some shards, which are marked as `OTHER`.

        Args:
            ids: of the shards.
            snapshots: of the shards; empty if there is no such value.
            columns: of the fields.
            start: position of the first shard.
            yield_point: called repeatedly.
        """
        if not snapshots:
            return
        marked = [name for name, one in columns.items() if one.marks.find(OTHER, start) >= 0]
        simple = tuple(name for name in marked if is_simple_field(name))
        others = [name for name in marked if name not in simple]
        encoded = tuple(name.encode() for name in simple)
        for position, (shard, snapshot) in enumerate(zip(ids, snapshots, strict=False), start):
            yield_point()
            if snapshot is None:
                continue
            texts = find_texts(snapshot.raw, encoded) if simple and snapshot.raw else None
            if texts is not None:
                values = self._values(shard, simple, texts)
                for name, value in zip(simple, values, strict=True):
                    if value is not None and columns[name].marks[position] == OTHER:
                        self.found.setdefault(name, {})[position] = value
            for name in others if texts is not None else marked:
                if columns[name].marks[position] == OTHER:
                    self._parse(name, position, snapshot)

    def _values(
        self, shard: str, names: Sequence[str], texts: list[bytes | None]
    ) -> list[Value | None]:
        known = self._parsed.get(shard)
        if known is None or known.texts != texts or known.names != names:
            values = [
                None if text is None or len(text) > _MAX_VALUE else reader_of(name)(text)
                for name, text in zip(names, texts, strict=True)
            ]
            known = _Parsed(names, texts, values)
        self._left -= sum(len(text) for text in texts if text is not None)
        if self._left < 0:
            return [None] * len(names)
        self._newer[shard] = known
        return known.values

    def _parse(self, name: str, position: int, snapshot: Snapshot) -> None:
        """Read a value whose field takes several lines, or has keys in its name."""
        value = InfoQuery(keys=(name,)).field_selector()(snapshot).get(name)
        size = len(pack_fields(value))
        self._left -= size
        if value is not None and size <= _MAX_VALUE and self._left >= 0:
            self.found.setdefault(name, {})[position] = value
