"""What each client of the event stream receives, and messages that are encoded once for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, Generic, TypeVar

from zinfo.adapters.http.responses import encode
from zinfo.info.delta import Delta
from zinfo.security.rights import Rights
from zinfo.shards.snapshot import Snapshot

DELTA, INFO, EVENT = "delta", "info", "event"
KINDS: Final = (DELTA, INFO, EVENT)
"""Kinds of messages that a client can request."""

Stream = TypeVar("Stream")


@dataclass(frozen=True)
class StreamFilter:
    """What one client requested, and its rights. Streams with equal filters get equal messages.

    Attributes:
        kinds: kinds of messages.
        shard_ids: only these shards; empty for all.
        keys: only these fields; empty for all.
        rights: of the client.
    """

    kinds: frozenset[str]
    shard_ids: frozenset[str]
    keys: frozenset[str]
    rights: Rights

    @property
    def snapshot_kinds(self) -> tuple[str, ...]:
        """The requested kinds of messages about snapshots, in the order in which they are sent."""
        return tuple(kind for kind in (DELTA, INFO) if kind in self.kinds)

    def matches(self, shard_id: str) -> bool:
        """Return whether messages about a shard pass; "" stands for the daemon itself."""
        if self.shard_ids and shard_id not in self.shard_ids:
            return False
        return self.rights.can_see(shard_id)

    def select(self, fields: Mapping[str, object]) -> Mapping[str, object]:
        """Return the requested fields, without those that are hidden from the client."""
        if self.keys:
            fields = {name: value for name, value in fields.items() if name in self.keys}
        if self.rights.hidden_fields:
            hides = self.rights.hides
            fields = {name: value for name, value in fields.items() if not hides(name)}
        return fields


class StreamGroup(Generic[Stream]):
    """The open streams with one filter.

    Attributes:
        filter: of all of them.
        streams: never empty.
    """

    __slots__ = ("filter", "streams")

    def __init__(self, filter_: StreamFilter) -> None:
        self.filter = filter_
        self.streams: set[Stream] = set()


class StreamRegistry(Generic[Stream]):
    """Open streams, grouped by filter and indexed by shard.

    A shard that no stream requests causes no work.
    """

    def __init__(self) -> None:
        self._groups: dict[StreamFilter, StreamGroup[Stream]] = {}
        self._of_all_shards: set[StreamGroup[Stream]] = set()
        self._of_shard: dict[str, set[StreamGroup[Stream]]] = {}

    def __len__(self) -> int:
        """Return the number of distinct filters."""
        return len(self._groups)

    def add(self, filter_: StreamFilter, stream: Stream) -> None:
        """Add a stream."""
        group = self._groups.get(filter_)
        if group is None:
            group = self._groups[filter_] = StreamGroup(filter_)
            if not filter_.shard_ids:
                self._of_all_shards.add(group)
            for shard_id in filter_.shard_ids:
                self._of_shard.setdefault(shard_id, set()).add(group)
        group.streams.add(stream)

    def remove(self, filter_: StreamFilter, stream: Stream) -> None:
        """Remove a stream."""
        group = self._groups[filter_]
        group.streams.remove(stream)
        if group.streams:
            return
        del self._groups[filter_]
        self._of_all_shards.discard(group)
        for shard_id in filter_.shard_ids:
            self._of_shard[shard_id].remove(group)
            if not self._of_shard[shard_id]:
                del self._of_shard[shard_id]

    def groups_for(self, shard_id: str) -> Iterator[StreamGroup[Stream]]:
        """Yield the groups of streams that receive messages about a shard."""
        for group in chain(self._of_all_shards, self._of_shard.get(shard_id, ())):
            if group.filter.rights.can_see(shard_id):
                yield group


class SnapshotMessages:
    """The messages about one snapshot; each is encoded when it is first needed.

    Args:
        shard_id: shard of the snapshot.
        previous: the shard's previous snapshot; None if there is none.
        snapshot: the new snapshot.
    """

    def __init__(self, shard_id: str, previous: Snapshot | None, snapshot: Snapshot) -> None:
        self._head = {"shard": shard_id, "revision": snapshot.revision, "time": snapshot.time}
        self._previous = previous
        self._snapshot = snapshot
        self._changes: Delta | None = None
        self._encoded: dict[tuple[str, frozenset[str], tuple[str, ...]], bytes] = {}

    def encode(self, kind: str, filter_: StreamFilter) -> bytes:
        """Return a message; empty if none of the requested fields changed.

        Args:
            kind: `DELTA` or `INFO`.
            filter_: selects the fields.
        """
        key = kind, filter_.keys, filter_.rights.hidden_fields
        encoded = self._encoded.get(key)
        if encoded is None:
            make = self._delta if kind == DELTA else self._info
            encoded = self._encoded[key] = make(filter_)
        return encoded

    def _delta(self, filter_: StreamFilter) -> bytes:
        if self._changes is None:
            self._changes = self._snapshot.changes_from(self._previous)
        changed, unset = filter_.select(self._changes[0]), self._changes[1]
        if filter_.keys or filter_.rights.hidden_fields:
            unset = list(filter_.select(dict.fromkeys(unset)))
        if filter_.keys and not changed and not unset:
            return b""
        base = self._previous.revision if self._previous else 0
        return sse_message(DELTA, {**self._head, "base": base, "set": changed, "unset": unset})

    def _info(self, filter_: StreamFilter) -> bytes:
        fields = filter_.select(self._snapshot.all_fields())
        return sse_message(INFO, {**self._head, "info": fields})


def sse_message(kind: str, value: Mapping[str, object], ident: str = "") -> bytes:
    """Return a server-sent event.

    Args:
        kind: its `event` type.
        value: its `data`, which is encoded as JSON.
        ident: its `id`; "" for none.
    """
    head = f"id: {ident}\n" if ident else ""
    return f"{head}event: {kind}\n".encode() + b"data: " + encode(value) + b"\n\n"
