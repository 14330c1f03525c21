"""A turn of a daemon with a subscriber, to whom everything must come."""

from __future__ import annotations

from typing import Any

from benchmarks.worker import Worker


class LostMessagesError(Exception):
    """The subscriber did not get what was published: the workers did not do the same work."""


def measure_with_subscriber(
    daemon: Worker, subscriber: Worker, kind: str, seconds: float
) -> dict[str, Any]:
    """Have a daemon poll for a while with a subscriber, and return what it cost.

    Args:
        daemon: the worker that polls.
        subscriber: connected to its bus.
        kind: what is subscribed: "delta" or "info", of all shards.
        seconds: what is measured.

    Raises:
        LostMessagesError: fewer messages came than polls were made.
    """
    topics = [f"z1/{kind}/"]
    subscriber.call("subscribe", topics=topics)
    cost = daemon.call("measure", seconds=seconds)
    subscriber.call("unsubscribe", topics=topics)
    heard = subscriber.call("take")["counts"].get(kind, 0)
    if heard < cost["polls"]:
        raise LostMessagesError(f"{heard} of {cost['polls']} messages came")
    return cost


def micros(cost: dict[str, Any]) -> float:
    """Return the CPU time of a poll in a turn, in microseconds."""
    return 1e6 * float(cost["cpu"]) / max(1, int(cost["polls"]))
