"""TableView: the table as all pages with one selection have it, and the messages to them. Pure."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from zinfo.adapters.page.column_changes import changes, empty_column, rearranged
from zinfo.adapters.page.readings import NEVER, Facts, Reading, Rows, YieldPoint, batched
from zinfo.adapters.page.table_message import (
    Message,
    Pieces,
    facts_of_shards,
    joined,
    message,
    plain,
    values_of_shards,
)
from zinfo.wire.column_pages import ColumnPart

RECENT_EVENTS: Final = 200
"""The newest events, which a page receives first."""

_NOTHING: Final = (
    ("shards", plain({})),
    ("gone", plain([])),
    ("times", plain({"at": [], "values": []})),
    ("columns", plain({})),
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
        self._whole: Message | None = None
        self._recent: deque[Mapping[str, object]] = deque(maxlen=RECENT_EVENTS)
        self._ids: Sequence[str] = ()
        self._numbers = array("q")
        self._times = array("d")
        self._facts: Sequence[Facts | None] = ()
        self._columns: Mapping[str, ColumnPart] = {}

    def update(self, reading: Reading, yield_point: YieldPoint) -> Message:
        """Take over a reading; return the message of what changed.

        Args:
            reading: the newest reading.
            yield_point: called repeatedly.
        """
        restarted = self.epoch not in (None, reading.epoch) and reading.rows is not None
        if restarted:
            self._recent.clear()
        if reading.rows is not None:
            self.epoch = reading.epoch
        self._recent.extend(reading.events)
        self._reading, self._whole = reading, None
        members = _NOTHING if reading.rows is None else self._take(reading.rows, yield_point)
        if restarted:
            return self.whole(yield_point)
        return self._message([*members, ("events", plain(reading.events))], yield_point)

    def whole(self, yield_point: YieldPoint) -> Message:
        """Return a message with everything, for a page that has nothing; made once a reading.

        Args:
            yield_point: called repeatedly.
        """
        if self._whole is None:
            everything, times = range(len(self._ids)), self._times
            known = [at for at in batched(everything, yield_point) if times[at] != NEVER]
            members = [
                ("reset", plain(True)),
                ("shards", self._facts_at(everything, yield_point)),
                ("gone", plain([])),
                ("times", self._times_at(known, yield_point)),
                ("columns", joined(self._changed_columns({}, yield_point, all_=True))),
                ("events", plain(list(self._recent))),
            ]
            self._whole = self._message(members, yield_point)
        return self._whole

    def _take(self, rows: Rows, yield_point: YieldPoint) -> Sequence[tuple[str, Pieces]]:
        """Take over the shards; return the members of the message of what changed."""
        gone = self._arrange(rows.ids, yield_point)
        facts, times, columns = self._facts, self._times, self._columns
        self._facts, self._times, self._columns = rows.facts, rows.times, rows.columns
        everything = range(len(rows.ids))
        new_facts = [
            at
            for at in batched(everything, yield_point)
            if facts[at] is not rows.facts[at] and facts[at] != rows.facts[at]
        ]
        new_times = [at for at in batched(everything, yield_point) if times[at] != rows.times[at]]
        return (
            ("shards", self._facts_at(new_facts, yield_point)),
            ("gone", plain(gone)),
            ("times", self._times_at(new_times, yield_point)),
            ("columns", joined(self._changed_columns(columns, yield_point))),
        )

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
        everything = batched(former, yield_point)
        self._times = array("d", (NEVER if at < 0 else times[at] for at in everything))
        self._facts = [None if at < 0 else facts[at] for at in batched(former, yield_point)]
        self._columns = {
            name: rearranged(column, former, yield_point) for name, column in self._columns.items()
        }
        self._ids, self._numbers = ids, numbers
        return gone

    # --- messages

    def _message(self, members: Iterable[tuple[str, Pieces]], yield_point: YieldPoint) -> Message:
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
        return message(head, members, yield_point)

    def _facts_at(self, positions: Sequence[int], yield_point: YieldPoint) -> Pieces:
        return facts_of_shards(positions, self._numbers, self._facts, yield_point)

    def _times_at(self, positions: Sequence[int], yield_point: YieldPoint) -> Pieces:
        values = [round(self._times[at], 3) for at in batched(positions, yield_point)]
        return values_of_shards(positions, values, self._numbers, yield_point)

    def _changed_columns(
        self, before: Mapping[str, ColumnPart], yield_point: YieldPoint, *, all_: bool = False
    ) -> Iterator[tuple[str, Pieces]]:
        """Yield the columns with the values that changed.

        Args:
            before: the columns in the reading before, in the order of the shards now.
            yield_point: called repeatedly.
            all_: whether to yield columns without any, too.
        """
        for name, column in self._columns.items():
            former = before.get(name) or empty_column(column.count)
            positions, values = changes(former, column, yield_point)
            if positions or all_:
                yield name, values_of_shards(positions, values, self._numbers, yield_point)
