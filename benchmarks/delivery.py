"""A turn of a daemon with a subscriber, to whom everything must come."""

from __future__ import annotations

from typing import Any

from benchmarks.side import Side


class LostMessagesError(Exception):
    """The subscriber did not get what was published: the sides did not do the same work."""


def turn_with_subscriber(daemon: Side, listener: Side, kind: str, seconds: float) -> dict[str, Any]:
    """Have a daemon poll for a while with a subscriber, and return what it cost.

    Args:
        daemon: the side that polls.
        listener: connected to its bus.
        kind: what is subscribed: "delta" or "info", of all shards.
        seconds: what is measured.

    Raises:
        LostMessagesError: fewer messages came than polls were made.
    """
    topics = [f"z1/{kind}/"]
    listener.do("subscribe", topics=topics)
    cost = daemon.do("turn", seconds=seconds)
    listener.do("unsubscribe", topics=topics)
    heard = listener.do("take")["counts"].get(kind, 0)
    if heard < cost["polls"]:
        raise LostMessagesError(f"{heard} of {cost['polls']} messages came")
    return cost


def micros(cost: dict[str, Any]) -> float:
    """Return the CPU time of a poll in a turn, in microseconds."""
    return 1e6 * float(cost["cpu"]) / max(1, int(cost["polls"]))
