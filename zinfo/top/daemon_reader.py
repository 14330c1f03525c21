"""Reads all that `zinfo top` shows of one daemon of a fleet, in one call."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from zinfo.client import Client, ClientKeys, Event
from zinfo.client.sockets import clock
from zinfo.top.event_reader import read_events, state_changes
from zinfo.top.record import Status
from zinfo.top.table_reader import Table, TableReader
from zinfo.wire.slices import SliceSpec, slice_from_map

HELLO_TIMEOUT = 2.0
"""Seconds; a daemon that is not silent replies to `hello` at once."""

REQUEST_TIMEOUT = 10.0
"""Seconds; a busy daemon takes its time for all shards."""


class DaemonReading(NamedTuple):
    """What one daemon has at one moment.

    Attributes:
        node: its name.
        slice: the slice that it polls; None for none.
        waiting: number of its sources that it has not been able to read: it may lack shards.
        is_first: whether it is the first of this run of the daemon: its events are of the past.
        restarted: whether it was restarted since the reading before.
        events: those since the reading before, oldest first.
        table: all its shards; their ages are as of `at`.
        at: when it was read, by the model's clock.
    """

    node: str
    slice: SliceSpec | None
    waiting: int
    is_first: bool
    restarted: bool
    events: Sequence[Event]
    table: Table
    at: float


class DaemonReader:
    """Reads one daemon of a fleet, from one thread at a time.

    Args:
        endpoint: the daemon's query endpoint.
        labels: those that a shard must have; empty for any.
        keys: CURVE keys of this client and the daemon; None where the daemon requires none.
    """

    def __init__(self, endpoint: str, labels: Mapping[str, str], keys: ClientKeys | None) -> None:
        self._client = Client(endpoint, timeout=REQUEST_TIMEOUT, retries=0, keys=keys)
        self._labels = labels
        self._reader = TableReader(self._client, labels)
        self._epoch: int | None = None
        self._newest = 0  # number of the newest event that was read in this epoch
        self._statuses: Mapping[str, Status] = {}

    def read(self, fields: Collection[str]) -> DaemonReading:
        """Return what the daemon has.

        Args:
            fields: of INFO, to be read.

        Raises:
            NoAnswerError, RequestError, ProtocolError: as any request does.
        """
        hello = self._client.hello(timeout=HELLO_TIMEOUT)
        restarted = self._epoch not in (None, hello["epoch"])
        is_first = self._epoch != hello["epoch"]
        if is_first:
            self._epoch, self._newest = hello["epoch"], 0
            self._reader.forget()
        operations = allowed_operations(hello)
        found = read_events(self._client, operations, self._newest)
        events = found.events if found else []
        table = self._reader.read(
            operations, fields, {event.shard for event in events if event.shard}
        )
        before, self._statuses = self._statuses, table.statuses
        if found is None:
            events = state_changes(before, table.statuses, time.time())
        else:
            self._newest = found.newest
            if self._labels:
                held = before.keys() | table.statuses.keys()
                events = [event for event in events if not event.shard or event.shard in held]
        spec = slice_from_map(hello.get("slice"))
        waiting = hello.get("waiting")
        return DaemonReading(
            str(hello.get("node", "")),
            spec,
            waiting if isinstance(waiting, int) else 0,
            is_first,
            restarted,
            events,
            table,
            clock(),
        )

    def forget(self) -> None:
        """Read everything the next time: there was a pause."""
        self._reader.forget()

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()


def allowed_operations(hello: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations that the daemon has, and that this client may call.

    Args:
        hello: the body of the daemon's reply to `hello`.
    """
    operations, granted = frozenset(hello["ops"]), (hello.get("rights") or {}).get("operations")
    if granted is None:
        return operations
    return operations & frozenset(granted)
