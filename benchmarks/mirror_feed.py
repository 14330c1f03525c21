"""Feeds a Mirror with a known number of deltas, and checks that it followed all of them."""

from __future__ import annotations

from typing import Any

from benchmarks.delivery import LostMessagesError
from benchmarks.worker import Worker

_TIMEOUT = 120.0  # seconds for the Mirror to have the last delta


def feed(feeder: Worker, mirror: Worker, deltas: int, seconds: float) -> dict[str, Any]:
    """Send deltas to a Mirror that has joined; return what it cost the Mirror.

    Args:
        feeder: The worker `feeding_daemon`, with recorded replies.
        mirror: The worker `mirror`.
        deltas: Number of deltas.
        seconds: Time within which they are sent evenly; 0 is as fast as possible.

    Raises:
        LostMessagesError: The Mirror did not receive all, or saw a sign of loss.
    """
    made = feeder.call("make", polls=deltas)
    mirror.send("follow", revisions=feeder.call("revisions"), seconds=_TIMEOUT)
    sent = feeder.call("send", seconds=seconds)
    followed = mirror.wait()
    lost = {name: count for name, count in followed["counters"].items() if count}
    if followed["missing"] or lost:
        raise LostMessagesError(f"the Mirror lacks {followed['missing']} shards; signs: {lost}")
    return {
        **followed,
        "deltas": deltas,
        "sent": sent,
        "until_followed": followed["at"] - sent["began"],
        "made": made,
    }


def check(mirror: Worker) -> dict[str, Any]:
    """Read all shards of a Mirror, and compare some with the daemon's; return the cost.

    Raises:
        RuntimeError: A shard differs.
    """
    looked = mirror.call("look")
    if looked["wrong"]:
        raise RuntimeError(f"{looked['wrong']} of {looked['compared']} shards differ")
    return looked
