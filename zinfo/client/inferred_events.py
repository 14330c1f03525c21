"""Changes that a re-sync found: told as if they had come on the bus. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from zinfo.client.decoding import Entry
from zinfo.client.updates import Delta, Info
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, Event


def inferred_event(entry: Entry, former: tuple[str, str] | None) -> list[Event]:
    """Return the event that explains a shard's state; none where it did not change.

    Args:
        entry: the shard as it is.
        former: its state and reason before; None where it was not known.
    """
    if former == (entry.state, entry.reason):
        return []
    return [
        Event(
            shard=entry.shard,
            type=ADDED if former is None else entry.state,
            old=former and former[0],
            new=entry.state,
            reason=entry.reason,
            message="",
            number=0,
            seq=entry.seq,
            time=entry.time,
            labels=entry.labels if former is None else None,
        )
    ]


def inferred_labels(entry: Entry, former: Mapping[str, str]) -> list[Event]:
    """Return the event that explains a shard's labels; none where they did not change.

    Args:
        entry: the shard as it is.
        former: its labels before.
    """
    if former == entry.labels:
        return []
    return [
        Event(
            shard=entry.shard,
            type=LABELS_CHANGED,
            old=None,
            new=None,
            reason="",
            message="",
            number=0,
            seq=entry.seq,
            time=entry.time,
            labels=entry.labels,
        )
    ]


def inferred_delta(entry: Entry, info: Info, former: Info | None, revision: int) -> Delta:
    """Return the difference between the INFO held and the one that a snapshot brought.

    Args:
        entry: the shard as it is.
        info: its INFO.
        former: its INFO before; None where there was none, or one of another epoch.
        revision: of `former`.
    """
    if former is None:
        return Delta(entry.shard, entry.revision, 0, entry.time, dict(info), ())
    changed = {
        name: value for name, value in info.items() if name not in former or former[name] != value
    }
    gone = tuple(name for name in former if name not in info)
    return Delta(entry.shard, entry.revision, revision, entry.time, changed, gone)
