"""What a Mirror stores of one shard. Pure."""

from __future__ import annotations

from zinfo.client.stored_info import StoredInfo
from zinfo.wire.lifecycle import LABELS_CHANGED, STATES, Event


class Record(StoredInfo):
    """One shard as it is stored: its INFO, and what else is known of it.

    Attributes:
        state: new, up, loading, busy or down.
        reason: why it is down.
        labels: its labels.
        interval: seconds between polls; 0 where unknown.
        seq: count of the newest event that `state`, `reason` and `labels` reflect.
        number: number of the newest event received about the shard; 0 before the first.
        last_seen_at: local clock when something about the shard last arrived that was not applied
            as the next delta.
        foreign: it is from another epoch, so that its revision and counts cannot be compared.
    """

    __slots__ = (
        "foreign",
        "interval",
        "labels",
        "last_seen_at",
        "number",
        "reason",
        "seq",
        "state",
    )

    def __init__(self, state: str, seq: int, now: float) -> None:
        super().__init__()
        self.state = state
        self.reason = ""
        self.labels: dict[str, str] = {}
        self.interval = 0.0
        self.seq = seq
        self.number = 0
        self.last_seen_at = now
        self.foreign = False


def apply_event(record: Record, event: Event) -> bool:
    """Apply a newer event to the record; return False where events before it are missing."""
    follows = event.seq == record.seq + 1
    record.seq, record.number = event.seq, event.number
    if event.type in STATES:
        record.state, record.reason = event.new or event.type, event.reason
    elif event.type == LABELS_CHANGED:
        if event.labels is None:
            return False  # too large for the event; a snapshot has them
        record.labels = dict(event.labels)
    return follows
