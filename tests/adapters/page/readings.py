"""Readings of a table made of plain values, and the shards that a page has after its messages."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from zinfo.adapters.page.readings import Facts, Reading, Rows
from zinfo.adapters.page.table_message import Message
from zinfo.wire.column_pages import MIXED, ColumnPart

EPOCH = 7


def reading(
    shards: Mapping[str, Mapping[str, object]] | None,
    *,
    time: float = 100.0,
    epoch: int = EPOCH,
    events: Sequence[Mapping[str, object]] = (),
) -> Reading:
    """Return a reading.

    Args:
        shards: by id their fields; `state` and `time` have a meaning of their own. None if they
            could not be read.
        time: of the reading.
        epoch: of the daemon.
        events: new ones.
    """
    if shards is None:
        return Reading(time, epoch, None, events, "no reply")
    ids = sorted(shards)
    names = sorted({name for one in shards.values() for name in one} - {"state", "time"})
    columns = {
        name: ColumnPart(MIXED, [shards[one].get(name) for one in ids], None) for name in names
    }
    times = array("d", (float(str(shards[one].get("time", 0.0))) for one in ids))
    facts = [Facts(one, state=str(shards[one].get("state", "up"))) for one in ids]
    return Reading(time, epoch, Rows(ids, times, columns, facts), events)


def data(message: Message | bytes) -> dict[str, Any]:
    """Return the data of a message of the stream."""
    message = message if isinstance(message, bytes) else b"".join(message.pieces)
    head, _, text = message.partition(b"\ndata: ")
    assert head == b"event: table"
    assert text.endswith(b"\n\n")
    found: dict[str, Any] = json.loads(text)
    return found


class Page:
    """What a page knows after the messages of the stream.

    Attributes:
        shards: by number their facts, with `time` and the fields.
        events: all of them.
        resets: number of messages with everything.
        head: the newest message.
    """

    def __init__(self) -> None:
        self.shards: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.resets = 0
        self.head: dict[str, Any] = {}

    def take(self, message: dict[str, Any]) -> dict[str, Any]:
        """Apply a message as a page does, and return it."""
        if message.get("reset"):
            self.shards, self.events = {}, []
            self.resets += 1
        for number, facts in message["shards"].items():
            self.shards.setdefault(int(number), {}).update(facts)
        for number in message["gone"]:
            del self.shards[number]
        parts = [*message["columns"].items(), ("time", message["times"])]
        for name, part in parts:
            for number, value in zip(part["at"], part["values"], strict=True):
                self.shards[number][name] = value
        self.events += message["events"]
        self.head = message
        return message

    def by_id(self) -> dict[str, dict[str, Any]]:
        """Return the shards by id."""
        return {one["id"]: one for one in self.shards.values()}
