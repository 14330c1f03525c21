"""The cost of polls with a subscriber that must receive every message."""

from __future__ import annotations

from typing import Any

from benchmarks.worker import Worker


class LostMessagesError(Exception):
    """The subscriber missed messages, so that the workers did not do the same work."""


def measure_with_subscriber(
    daemon: Worker, subscriber: Worker, kind: str, seconds: float
) -> dict[str, Any]:
    """Let a daemon poll with a subscriber for some seconds, and return the cost.

    Args:
        daemon: the worker that polls.
        subscriber: connected to its bus.
        kind: messages to subscribe, of all shards: "delta" or "info".
        seconds: duration of the measurement.

    Raises:
        LostMessagesError: fewer messages were received than polls were made.
    """
    topics = [f"z1/{kind}/"]
    subscriber.call("subscribe", topics=topics)
    cost = daemon.call("measure", seconds=seconds)
    subscriber.call("unsubscribe", topics=topics)
    received = subscriber.call("take")["counts"].get(kind, 0)
    if received < cost["polls"]:
        raise LostMessagesError(f"{received} of {cost['polls']} messages were received")
    return cost


def micros(cost: dict[str, Any]) -> float:
    """Return the CPU time of one poll, in microseconds."""
    return 1e6 * float(cost["cpu"]) / max(1, int(cost["polls"]))
