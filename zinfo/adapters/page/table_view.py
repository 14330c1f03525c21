"""TableView: the table as all pages with one selection have it, and the messages to them. Pure."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from zinfo.adapters.http.responses import encode
from zinfo.adapters.page.column_changes import changes, empty_column, rearranged
from zinfo.adapters.page.readings import NEVER, Facts, Reading, Rows, YieldPoint, batched
from zinfo.wire.column_pages import ColumnPart

RECENT_EVENTS: Final = 200
"""The newest events, which a page receives first."""

_BATCH: Final = 256  # items of an array encoded between two yield points
_HEAD: Final = b"event: table\ndata: "
_END: Final = b"\n\n"
_NOTHING: Final = (
    b'"shards":{}',
    b'"gone":[]',
    b'"times":{"at":[],"values":[]}',
    b'"columns":{}',
)


class TableView:
    """The state that the pages have, and the next message to them.

    A shard has a number, as its id would make messages long. Numbers are not used again.

    Attributes:
        epoch: of the daemon; None before the first reading.
    """

    def __init__(self) -> None:
        self.epoch: int | None = None
        self._next = 0  # number of the next shard that is new
        self._reading: Reading | None = None  # the newest one, whose rows are old where it has none
        self._whole: bytes | None = None
        self._recent: deque[Mapping[str, object]] = deque(maxlen=RECENT_EVENTS)
        self._forget()

    def _forget(self) -> None:
        self._ids: Sequence[str] = ()
        self._numbers = array("q")
        self._times = array("d")
        self._facts: Sequence[Facts | None] = ()
        self._columns: Mapping[str, ColumnPart] = {}

    def update(self, reading: Reading, yield_point: YieldPoint) -> bytes:
        """Take over a reading; return the message of what changed.

        Args:
            reading: the newest reading.
            yield_point: called repeatedly.
        """
        restarted = self.epoch not in (None, reading.epoch) and reading.rows is not None
        if restarted:
            self._forget()
            self._recent.clear()
        if reading.rows is not None:
            self.epoch = reading.epoch
        self._recent.extend(reading.events)
        self._reading, self._whole = reading, None
        parts = list(_NOTHING) if reading.rows is None else self._take(reading.rows, yield_point)
        parts.append(b'"events":' + encode(reading.events))
        if restarted:
            return self.whole(yield_point)
        return self._message(parts)

    def whole(self, yield_point: YieldPoint) -> bytes:
        """Return a message with everything, for a page that has nothing; made once a reading.

        Args:
            yield_point: called repeatedly.
        """
        if self._whole is None:
            everything = range(len(self._ids))
            known = array("q", (at for at in everything if self._times[at] != NEVER))
            parts = [
                b'"reset":true',
                b'"shards":' + self._encode_facts(everything, yield_point),
                b'"gone":[]',
                b'"times":' + self._encode_times(known, yield_point),
                b'"columns":' + self._encode_all(yield_point),
                b'"events":' + encode(list(self._recent)),
            ]
            self._whole = self._message(parts)
        return self._whole

    def _take(self, rows: Rows, yield_point: YieldPoint) -> list[bytes]:
        """Take over the shards; return the parts of the message of what changed."""
        gone = self._arrange(rows.ids, yield_point)
        before, self._facts = self._facts, rows.facts
        new_facts = [
            at
            for at in batched(range(len(rows.ids)), yield_point)
            if before[at] is not rows.facts[at] and before[at] != rows.facts[at]
        ]
        new_times = self._take_times(rows, yield_point)
        found = []
        for name, column in rows.columns.items():
            former = self._columns.get(name) or empty_column(len(rows.ids))
            positions, values = changes(former, column, yield_point)
            if positions:
                found.append((name, self._encode_values(positions, values, yield_point)))
        self._columns = rows.columns
        return [
            b'"shards":' + self._encode_facts(new_facts, yield_point),
            b'"gone":' + encode(gone),
            b'"times":' + self._encode_times(new_times, yield_point),
            b'"columns":' + _joined(found),
        ]

    def _arrange(self, ids: Sequence[str], yield_point: YieldPoint) -> list[int]:
        """Bring the state into the order of a list of shards; return the numbers that are gone."""
        if ids is self._ids or ids == self._ids:
            return []
        places = {self._ids[at]: at for at in batched(range(len(self._ids)), yield_point)}
        former = array("q")
        numbers = array("q")
        for shard in batched(ids, yield_point):
            at = places.pop(shard, -1)
            former.append(at)
            numbers.append(self._numbers[at] if at >= 0 else self._next)
            self._next += at < 0
        gone = [self._numbers[at] for at in places.values()]
        times, facts = self._times, self._facts
        self._times = array("d", (NEVER if at < 0 else times[at] for at in former))
        self._facts = [None if at < 0 else facts[at] for at in former]
        self._columns = {
            name: rearranged(column, former, yield_point) for name, column in self._columns.items()
        }
        self._ids, self._numbers = ids, numbers
        return gone

    def _take_times(self, rows: Rows, yield_point: YieldPoint) -> list[int]:
        """Take over the times; return the positions of the shards with a new INFO."""
        before, self._times = self._times, rows.times
        return [
            at for at in batched(range(len(rows.ids)), yield_point) if rows.times[at] != before[at]
        ]

    # --- encoding

    def _message(self, parts: Sequence[bytes]) -> bytes:
        reading = self._reading
        assert reading is not None, "set by update()"
        head = {
            "time": round(reading.time, 3),
            "epoch": reading.epoch,
            "fresh": reading.rows is not None,
            "problem": reading.problem,
            "daemons": reading.daemons,
            "missing": reading.missing,
        }
        return b"".join((_HEAD, encode(head)[:-1], b",", b",".join(parts), b"}", _END))

    def _encode_facts(self, positions: Sequence[int], yield_point: YieldPoint) -> bytes:
        found = []
        for at in batched(positions, yield_point):
            facts = self._facts[at]
            assert facts is not None, "of a reading"
            found.append(b'"%d":' % self._numbers[at] + encode(facts._asdict()))
        return b"{" + b",".join(found) + b"}"

    def _encode_times(self, positions: Sequence[int], yield_point: YieldPoint) -> bytes:
        times = self._times
        values = [round(times[at], 3) for at in batched(positions, yield_point)]
        return self._encode_values(positions, values, yield_point)

    def _encode_all(self, yield_point: YieldPoint) -> bytes:
        """Return all values that shards have, of all columns."""
        found = []
        for name, column in self._columns.items():
            positions, values = changes(empty_column(column.count), column, yield_point)
            found.append((name, self._encode_values(positions, values, yield_point)))
        return _joined(found)

    def _encode_values(
        self, positions: Sequence[int], values: Sequence[object], yield_point: YieldPoint
    ) -> bytes:
        numbers = self._numbers
        at = [numbers[position] for position in batched(positions, yield_point)]
        return (
            b'{"at":' + _array(at, yield_point) + b',"values":' + _array(values, yield_point) + b"}"
        )


def _joined(columns: Sequence[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(encode(name) + b":" + encoded for name, encoded in columns) + b"}"


def _array(items: Sequence[object], yield_point: YieldPoint) -> bytes:
    """Return a JSON array, encoded in parts."""
    parts = []
    for start in range(0, len(items), _BATCH):
        yield_point()
        parts.append(encode(items[start : start + _BATCH])[1:-1])
    return b"[" + b",".join(parts) + b"]"
