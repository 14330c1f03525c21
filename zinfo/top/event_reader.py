"""Reads the events that the model lacks from a daemon."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from zinfo.client import Client, RecentEvents
from zinfo.top.event_log import MAX_EVENTS
from zinfo.top.record import Status
from zinfo.wire.lifecycle import Event

_BEYOND = 2**53  # greater than any event's number


def read_events(client: Client, operations: Collection[str], since: int) -> RecentEvents | None:
    """Return the events after a number, or as many of the newest as the model stores.

    Args:
        client: sends the requests.
        operations: those that this client may call.
        since: the model lacks none up to this number; 0 for none at all.

    Returns:
        None where this client may not read events.

    Raises:
        NoAnswerError, RequestError, ProtocolError: as any request does.
    """
    if "events" not in operations:
        return None
    if not since:
        since = max(0, client.events(_BEYOND).newest - MAX_EVENTS)
    return client.events(since)


def state_changes(
    before: Mapping[str, Status], after: Mapping[str, Status], wall_time: float
) -> list[Event]:
    """Return the changes of state between two readings as events, where the daemon's are not read.

    Args:
        before: status of each shard.
        after: the same, later.
        wall_time: seconds since the Unix epoch.
    """
    return [
        Event(shard, new.state, before[shard].state, new.state, new.reason, "", 0, 0, wall_time)
        for shard, new in after.items()
        if shard in before and before[shard].state != new.state
    ]
