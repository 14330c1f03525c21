"""Changes that a re-sync found, as the events and deltas that would have reported them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from zinfo.client.snapshot_page import PackedEntry
from zinfo.client.updates import Delta, Info
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, Event


def inferred_event(entry: PackedEntry, former: tuple[str, str] | None) -> list[Event]:
    """Return the event for a shard's new state; none where the state did not change.

    Args:
        entry: the shard in the snapshot.
        former: its previous state and reason; None where the shard is new.
    """
    if former == (entry.state, entry.reason):
        return []
    old = former and former[0]
    labels = entry.labels if former is None else None
    type_ = ADDED if former is None else entry.state
    return [_event(entry, type_, old=old, new=entry.state, reason=entry.reason, labels=labels)]


def inferred_labels(entry: PackedEntry, former: Mapping[str, str]) -> list[Event]:
    """Return the event for a shard's new labels; none where they did not change.

    Args:
        entry: the shard in the snapshot.
        former: its previous labels.
    """
    return [] if former == entry.labels else [_event(entry, LABELS_CHANGED, labels=entry.labels)]


def inferred_delta(entry: PackedEntry, info: Info, former: Info | None, revision: int) -> Delta:
    """Return the difference between the stored INFO and that of a snapshot.

    Args:
        entry: the shard in the snapshot.
        info: its INFO.
        former: the stored INFO; None where there is none, or one of another epoch.
        revision: of `former`.
    """
    if former is None:
        return Delta(entry.shard, entry.revision, 0, entry.time, dict(info), ())
    changed = {
        name: value for name, value in info.items() if name not in former or former[name] != value
    }
    gone = tuple(name for name in former if name not in info)
    return Delta(entry.shard, entry.revision, revision, entry.time, changed, gone)


def _event(
    entry: PackedEntry,
    type_: str,
    *,
    old: str | None = None,
    new: str | None = None,
    reason: str = "",
    labels: Mapping[str, str] | None = None,
) -> Event:
    return Event(
        shard=entry.shard,
        type=type_,
        old=old,
        new=new,
        reason=reason,
        message="",
        number=0,
        seq=entry.seq,
        time=entry.time,
        labels=labels,
    )
