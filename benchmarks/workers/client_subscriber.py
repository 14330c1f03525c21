"""A subscriber with zinfo's own client, which detects gaps by the sequence numbers."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from benchmarks.histogram import as_text, new_histogram, record
from benchmarks.worker_loop import serve_commands_blocking
from zinfo.client import Delta, Gap, Heartbeat, Restart, Snapshot, Stale, Subscriber

_TIMEOUT = 0.2  # seconds for one update


class ClientSubscriber:
    """Receives and counts all updates."""

    def __init__(self) -> None:
        self._subscriber: Subscriber | None = None

    def start(self, endpoint: str, bus: str | None, kinds: list[str]) -> None:
        """Subscribe to all shards.

        Args:
            endpoint: The daemon's query endpoint.
            bus: Its bus endpoint; None uses the one that the daemon announces.
            kinds: Kinds of updates, beside heartbeats.
        """
        self._subscriber = Subscriber(endpoint, bus=bus, kinds=[*kinds, "hb"])

    def receive(self, seconds: float) -> dict[str, Any]:
        """Receive updates for a while; return their counts and latencies.

        The latency of an update is the time from its timestamp until it is decoded here, so both
        processes must share a clock.
        """
        assert self._subscriber is not None
        counts: Counter[str] = Counter()
        histogram = new_histogram()
        began, end, late = time.time(), time.monotonic() + seconds, 0.0
        beat = None
        while (left := end - time.monotonic()) > 0:
            update = self._subscriber.recv(min(left, _TIMEOUT))
            counts[type(update).__name__.lower() if update is not None else "silence"] += 1
            if isinstance(update, (Delta, Snapshot)) and update.time >= began:
                record(histogram, max(0.0, time.time() - update.time))
            elif isinstance(update, Heartbeat):
                if beat is not None and beat.epoch == update.epoch:
                    expected = (update.beat - beat.beat) * update.interval
                    late = max(late, update.time - beat.time - expected)
                beat = update
        return {
            "counts": dict(counts),
            "gaps": counts[Gap.__name__.lower()],
            "stale": counts[Stale.__name__.lower()],
            "restarts": counts[Restart.__name__.lower()],
            "malformed": self._subscriber.malformed,
            "heartbeat_late": late,
            "times": as_text(histogram),
        }


if __name__ == "__main__":
    subscriber = ClientSubscriber()
    serve_commands_blocking({"start": subscriber.start, "receive": subscriber.receive})
