"""Changes that a re-sync found, as the events and deltas that would have reported them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from zinfo.client.snapshot_page import PackedEntry
from zinfo.client.updates import Delta, Info
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, NEW, UP, Event


def inferred_events(entry: PackedEntry, former: tuple[str, str] | None) -> list[Event]:
    """Return the events for a shard's new state; none where the state did not change.

    A shard that is new has `added`, and an event of its state if that is neither new nor up: a
    listener that only waits for `down` then needs no other source for what is down already.

    Args:
        entry: the shard in the snapshot.
        former: its previous state and reason; None where the shard is new.
    """
    if former is None:
        added = _event(entry, ADDED, new=entry.state, reason=entry.reason, labels=entry.labels)
        return [added] if entry.state in (NEW, UP) else [added, _state_event(entry, None)]
    return [] if former == (entry.state, entry.reason) else [_state_event(entry, former[0])]


def _state_event(entry: PackedEntry, old: str | None) -> Event:
    """Return the event of the present state; its time is that at which the state began."""
    event = _event(entry, entry.state, old=old, new=entry.state, reason=entry.reason)
    began = entry.time if entry.since is None or old == entry.state else entry.since
    return replace(event, message="" if entry.state == UP else entry.error, time=began)


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
