"""Lifecycle events and the names of states: one definition for the daemon and its clients. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from zinfo.errors import BadRequestError

NEW = "new"
"""State of a shard that has not replied yet; never the type of an event."""

UP = "up"
"""The shard replies to INFO."""

LOADING = "loading"
"""The shard replies to INFO, but is loading its data set."""

BUSY = "busy"
"""The shard is running a script and replies -BUSY; its newest INFO is old."""

DOWN = "down"
"""The shard does not reply; the event's `reason` says why."""

ORDERED_STATES = (NEW, UP, LOADING, BUSY, DOWN)
"""States of a shard, as they are listed for people."""

STATES = frozenset(ORDERED_STATES)
"""States of a shard. A change of state is an event whose type is the new state."""

ADDED = "added"
"""A watcher added the shard to the registry."""

REMOVED = "removed"
"""The shard was taken out of the registry."""

RESTARTED = "restarted"
"""Another process replies: its run_id differs or, without one, its uptime shows it."""

ROLE_CHANGED = "role_changed"
"""The shard's replication role changed."""

VERSION_CHANGED = "version_changed"
"""The shard runs another version of the server."""

LABELS_CHANGED = "labels_changed"
"""The shard has other labels."""

POLLING_ERROR = "polling_error"
"""A poll failed, but the shard's state did not change."""

SATURATED = "saturated"
"""More polls are due than the daemon can do. An event of the daemon: its shard is ""."""

SHORT_OF_FILES = "short_of_files"
"""The daemon is running out of file descriptors. An event of the daemon: its shard is ""."""

FAULT = "fault"
"""A part of the daemon failed unexpectedly. An event of the daemon: its shard is ""."""


SOURCE_FAILED = "source_failed"
"""A source of shards cannot be read; its shards stay. An event of the daemon: its shard is ""."""

SOURCE_RECOVERED = "source_recovered"
"""A source of shards can be read again. An event of the daemon: its shard is ""."""

SOURCE_HELD = "source_held"
"""A source's answer would remove too many shards that reply; they stay. Its shard is ""."""


def checked_states(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return the states that a caller selects shards by, without duplicates.

    Args:
        given: one state, or several; none for any.

    Raises:
        BadRequestError: one is not a state; the message lists the states.
    """
    states = tuple(dict.fromkeys([given] if isinstance(given, str) else given))
    for state in states:
        if state not in STATES:
            known = f"{', '.join(ORDERED_STATES[:-1])} or {ORDERED_STATES[-1]}"
            raise BadRequestError(f"unknown state {state[:80]!r}: a state is {known}")
    return states


@dataclass(frozen=True, slots=True)
class Event:
    """A lifecycle event of a shard, or of the daemon itself.

    Attributes:
        shard: id of the shard; "" for an event of the daemon.
        type: added, removed, up, down, loading, busy, restarted, role_changed, version_changed,
            labels_changed or polling_error; of the daemon: saturated, short_of_files, fault,
            source_failed, source_recovered or source_held.
        old: the previous state, run_id, role or version; None where there was none.
        new: the present one.
        reason: why a shard is down (timeout, refused, auth, noperm, tls, dns, protocol, other); of
            a fault the name of the part that failed; of source_* the name of the source.
        message: the reason as text for people.
        number: counts all events of this run of the daemon, from 1; 0 where a Mirror inferred the
            event from a re-sync.
        seq: counts the events of this shard, +1 each; its first value means nothing.
        time: wall clock at the daemon, seconds since the Unix epoch.
        labels: of added and labels_changed the shard's labels from now on; None for other types,
            and where the labels are too large for an event.
    """

    shard: str
    type: str
    old: str | None
    new: str | None
    reason: str
    message: str
    number: int
    seq: int
    time: float
    labels: Mapping[str, str] | None = field(default=None, hash=False)

    def as_map(self) -> dict[str, object]:
        """Return the event as it is sent on the wire; `labels` only where the event has them.

        The map names the shard three times: `id` and `shard_identifier` are the keys that all maps
        about shards have, and `shard` is the former name.
        """
        names = {"shard": self.shard, "id": self.shard, "shard_identifier": self.shard}
        fields = {**names, **asdict(self)}
        if self.labels is None:
            del fields["labels"]
        return fields
