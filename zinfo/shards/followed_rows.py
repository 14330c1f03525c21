"""FollowedRows: the fields that clients request again and again, one packed row for each shard.

A shard writes its row when its INFO arrives, while the reply is in the processor's cache. A query
copies columns from the rows without a look at the shards. The layout of a row is that of
`zinfo/native/rows.c`: the row of one shard is together in memory, because rows are written far more
often than they are read.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from zinfo.info.cells import encoded_names, read_cells
from zinfo.info.columns import ABSENT, OTHER, VALUE_BYTES
from zinfo.native.loader import native

if TYPE_CHECKING:
    from zinfo.shards.shard import RedisShard
    from zinfo.shards.snapshot import Snapshot

_MAX_REPLY: Final = 1 << 20  # bytes; reading a larger reply when it arrives would delay other polls
_FILLED: Final = b"\1"
_TIME: Final = struct.Struct("<d")
_POSITION: Final = "I"  # 4 bytes, as native code takes them


class FollowedFields(NamedTuple):
    """The fields of each row.

    Attributes:
        places: name of a field to its number in a row.
        names: the names as bytes.
        kinds: a byte for each, its kind.
    """

    places: dict[str, int]
    names: tuple[bytes, ...]
    kinds: bytes

    @property
    def row_bytes(self) -> int:
        """Size of a row."""
        return 1 + _TIME.size + len(self.places) * (1 + VALUE_BYTES)


class GatheredColumns(NamedTuple):
    """Some fields of some shards.

    Attributes:
        ages: seconds since the INFO of each shard arrived, as packed float64.
        states: a byte for each shard, the number of its state.
        columns: for each field its values and marks, as in `Column`.
    """

    ages: bytearray
    states: bytearray
    columns: list[tuple[bytearray, bytearray]]


class FollowedRows:
    """The rows of the live shards of one registry.

    Each shard has a position as long as it is live. Then another one may get it.

    Attributes:
        fields: the fields in each row; None if no field is followed, and there are no rows.
        expires_at: monotonic clock; a reply that arrives later calls `on_expiry`.
        on_expiry: decides again which fields are followed.
    """

    def __init__(self) -> None:
        self.fields: FollowedFields | None = None
        self.expires_at = math.inf
        self.on_expiry: Callable[[], None] = _nothing
        self._rows = bytearray()
        self._states = bytearray()  # by position, also while no field is followed
        self._shards: list[RedisShard | None] = []  # by position
        self._free: list[int] = []  # positions

    def follow(self, names: Sequence[str]) -> None:
        """Follow these fields, and no others; all rows have to be filled again.

        Args:
            names: at most `cells.MAX_CELLS` fields, each `is_simple_field`.
        """
        if not names:
            self.fields, self._rows = None, bytearray()
            return
        places = {name: number for number, name in enumerate(names)}
        self.fields = FollowedFields(places, *encoded_names(names))
        self._rows = bytearray(self.fields.row_bytes * len(self._shards))

    def add(self, shard: RedisShard, state: int) -> int:
        """Return the position of a shard that has become live.

        Args:
            shard: the shard.
            state: number of its state.
        """
        if self._free:
            position = self._free.pop()
            self._shards[position], self._states[position] = shard, state
            return position
        self._shards.append(shard)
        self._states.append(state)
        if self.fields is not None:
            self._rows.extend(bytes(self.fields.row_bytes))
        return len(self._shards) - 1

    def remove(self, position: int) -> None:
        """Free the position of a shard that is no longer live."""
        self._shards[position] = None
        self._clear(position)
        self._free.append(position)

    def set_state(self, position: int, state: int) -> None:
        """Note the number of a shard's state."""
        self._states[position] = state

    def on_snapshot(self, position: int, snapshot: Snapshot) -> None:
        """Write the row of a shard whose INFO has just arrived."""
        if snapshot.at > self.expires_at:
            self.on_expiry()
        if self.fields is None:
            return
        if len(snapshot.raw) > _MAX_REPLY:
            self._clear(position)  # a query reads it
        else:
            self._write(position, snapshot, self.fields)

    # --- queries

    def positions_of(self, shards: Iterable[RedisShard | None]) -> list[int] | None:
        """Return the positions of some shards; None if one of them has none."""
        positions = []
        for shard in shards:
            position = None if shard is None else shard.position_in(self)
            if position is None:
                return None
            positions.append(position)
        return positions

    def fill(self, positions: Sequence[int], yield_point: Callable[[], None]) -> None:
        """Fill the rows of some shards that were not filled since the followed fields changed.

        Args:
            positions: of the shards.
            yield_point: called repeatedly; other shards may have these positions afterwards.
        """
        for position in positions:
            if self.fields is None:
                return
            if position < len(self._shards) and not self._rows[position * self.fields.row_bytes]:
                yield_point()
                self._fill(position)

    def gather(
        self, positions: array[int], names: Iterable[str], now: float
    ) -> GatheredColumns | None:
        """Return columns of some shards; None if one of their rows is not filled.

        Args:
            positions: of the shards, of type code `I`.
            names: of followed fields.
            now: monotonic clock, for the ages.
        """
        fields = self.fields
        if fields is None:
            return None
        gather = gather_rows if native is None else native.gather_rows
        found = gather(
            self._rows,
            self._states,
            len(fields.places),
            positions.tobytes(),
            bytes(map(fields.places.__getitem__, names)),
            now,
        )
        return found if found is None else GatheredColumns(*found)

    def _fill(self, position: int) -> None:
        shard = self._shards[position]
        if shard is not None and self.fields is not None:  # neither changed at the yield point
            self._write(position, shard.snapshot, self.fields)

    def _write(self, position: int, snapshot: Snapshot | None, fields: FollowedFields) -> None:
        if snapshot is not None and snapshot.raw:
            write = write_row if native is None else native.write_row
            write(self._rows, position, snapshot.raw, fields.names, fields.kinds, snapshot.at)
            return
        # Without a reply all fields are absent; one that a client library parsed is not text.
        mark, at = (ABSENT, -math.inf) if snapshot is None else (OTHER, snapshot.at)
        count, start = len(fields.places), position * fields.row_bytes
        row = _FILLED + bytes([mark] * count) + _TIME.pack(at) + bytes(VALUE_BYTES * count)
        self._rows[start : start + len(row)] = row

    def _clear(self, position: int) -> None:
        if self.fields is not None:
            self._rows[position * self.fields.row_bytes] = 0


def write_row(
    rows: bytearray, position: int, raw: bytes, names: tuple[bytes, ...], kinds: bytes, at: float
) -> None:
    """Write the fields of a reply to a row; `zinfo._native` has the same function."""
    cells, count = read_cells(raw, names, kinds), len(names)
    row = _FILLED + cells[:count] + _TIME.pack(at) + cells[count:]
    rows[position * len(row) : (position + 1) * len(row)] = row


def gather_rows(
    rows: bytearray, states: bytearray, fields: int, positions: bytes, places: bytes, now: float
) -> tuple[bytearray, bytearray, list[tuple[bytearray, bytearray]]] | None:
    """Return some columns of some rows; `zinfo._native` has the same function."""
    size, numbers = 1 + _TIME.size + fields * (1 + VALUE_BYTES), array(_POSITION, positions)
    found = [bytes(rows[position * size : (position + 1) * size]) for position in numbers]
    if not all(row.startswith(_FILLED) for row in found):
        return None
    times = [_TIME.unpack_from(row, 1 + fields)[0] for row in found]
    ages = bytearray().join(_TIME.pack(max(now - at, 0.0)) for at in times)
    columns = []
    for place in places:
        start = 1 + fields + _TIME.size + VALUE_BYTES * place
        values = bytearray().join(row[start : start + VALUE_BYTES] for row in found)
        columns.append((values, bytearray(row[1 + place] for row in found)))
    return ages, bytearray(map(states.__getitem__, numbers)), columns


def _nothing() -> None:
    pass
