"""The counters of a sink. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass
class Counters:
    """What a sink has done since its start.

    Attributes:
        puts: values that the server has acknowledged.
        unchanged: values that were not written, as the bucket has this version.
        deletes: values of removed shards that were deleted.
        failures: writes that were not acknowledged, and are tried again.
        too_large: values that were stored without INFO, as the server takes no larger message.
        skipped: ids of shards that are too long for a key.
        deltas: deltas published.
        deltas_dropped: deltas not published: no connection, too many were waiting, or too large.
        events: events that the stream has acknowledged.
        events_missed: times that a daemon no longer had some events.
        beats: heartbeats acknowledged.
        scans: how often the bucket was compared with what was written.
        repaired: values found in the bucket that were not what was written last.
        reconnects: how often the connection to NATS was renewed.
        pending: shards that wait to be written.
    """

    puts: int = 0
    unchanged: int = 0
    deletes: int = 0
    failures: int = 0
    too_large: int = 0
    skipped: int = 0
    deltas: int = 0
    deltas_dropped: int = 0
    events: int = 0
    events_missed: int = 0
    beats: int = 0
    scans: int = 0
    repaired: int = 0
    reconnects: int = 0
    pending: int = 0

    def as_map(self) -> dict[str, int]:
        """Return all counters by name."""
        return asdict(self)

    def line(self) -> str:
        """Return all counters as one line."""
        return " ".join(f"{name}={value}" for name, value in self.as_map().items())
