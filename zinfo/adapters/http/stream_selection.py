"""What the clients of streams want, by shard; and messages, each encoded once for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, Generic, TypeVar

from zinfo.adapters.http.responses import encode
from zinfo.info.encoder import Fields
from zinfo.security.rights import Rights
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.codec import unpack

DELTA, INFO, EVENT = "delta", "info", "event"
KINDS: Final = (DELTA, INFO, EVENT)
"""Kinds of messages that a client can ask for."""

Stream = TypeVar("Stream")


@dataclass(frozen=True)
class Wish:
    """What one client wants, and may have. Streams with equal wishes get the same messages.

    Attributes:
        kinds: of messages.
        shard_ids: only these shards; empty for all.
        keys: only these fields; empty for all.
        rights: of the client.
    """

    kinds: frozenset[str]
    shard_ids: frozenset[str]
    keys: frozenset[str]
    rights: Rights

    @property
    def of_snapshots(self) -> tuple[str, ...]:
        """Which kinds of messages about snapshots it wants, in the order in which they are sent."""
        return tuple(kind for kind in (DELTA, INFO) if kind in self.kinds)

    def can_see(self, shard_id: str) -> bool:
        """Whether it is about this shard; "" is the daemon itself."""
        if self.shard_ids and shard_id not in self.shard_ids:
            return False
        return self.rights.can_see(shard_id)


class Group(Generic[Stream]):
    """The open streams of one wish.

    Attributes:
        wish: of all of them.
        streams: never empty.
    """

    __slots__ = ("streams", "wish")

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.streams: set[Stream] = set()


class Wishes(Generic[Stream]):
    """Open streams by what they want: a shard that no stream wants costs nothing."""

    def __init__(self) -> None:
        self._groups: dict[Wish, Group[Stream]] = {}
        self._of_all: set[Group[Stream]] = set()
        self._of_shard: dict[str, set[Group[Stream]]] = {}

    def __len__(self) -> int:
        """Return how many distinct wishes there are."""
        return len(self._groups)

    def add(self, wish: Wish, stream: Stream) -> None:
        """Add a stream."""
        group = self._groups.get(wish)
        if group is None:
            group = self._groups[wish] = Group(wish)
            if not wish.shard_ids:
                self._of_all.add(group)
            for shard_id in wish.shard_ids:
                self._of_shard.setdefault(shard_id, set()).add(group)
        group.streams.add(stream)

    def remove(self, wish: Wish, stream: Stream) -> None:
        """Remove a stream."""
        group = self._groups[wish]
        group.streams.remove(stream)
        if group.streams:
            return
        del self._groups[wish]
        self._of_all.discard(group)
        for shard_id in wish.shard_ids:
            self._of_shard[shard_id].remove(group)
            if not self._of_shard[shard_id]:
                del self._of_shard[shard_id]

    def about(self, shard_id: str) -> Iterator[Group[Stream]]:
        """Yield the streams that a shard is for, by wish."""
        for group in chain(self._of_all, self._of_shard.get(shard_id, ())):
            if group.wish.rights.can_see(shard_id):
                yield group


class SnapshotMessages:
    """The messages about one snapshot, made when they are first asked for.

    Args:
        shard_id: whose snapshot it is.
        previous: the one before; None where there is none.
        snapshot: the new one.
    """

    def __init__(self, shard_id: str, previous: Snapshot | None, snapshot: Snapshot) -> None:
        self._about = {"shard": shard_id, "revision": snapshot.revision, "time": snapshot.time}
        self._previous = previous
        self._snapshot = snapshot
        self._changes: tuple[dict[str, object], list[str]] | None = None
        self._made: dict[tuple[str, frozenset[str], tuple[str, ...]], bytes] = {}

    def of(self, kind: str, wish: Wish) -> bytes:
        """Return a message; empty where none of the fields changed.

        Args:
            kind: `DELTA` or `INFO`.
            wish: which fields are wanted, and may be told.
        """
        key = kind, wish.keys, wish.rights.hidden_fields
        made = self._made.get(key)
        if made is None:
            make = self._delta if kind == DELTA else self._info
            made = self._made[key] = make(wish)
        return made

    def _delta(self, wish: Wish) -> bytes:
        if self._changes is None:
            fields, gone = self._snapshot.delta_from(self._previous)
            self._changes = _decoded(fields), gone
        changed, unset = _chosen(self._changes[0], wish), self._changes[1]
        if wish.keys or wish.rights.hidden_fields:
            unset = list(_chosen(dict.fromkeys(unset), wish))
        if wish.keys and not changed and not unset:
            return b""
        base = self._previous.revision if self._previous else 0
        return message(DELTA, {**self._about, "base": base, "set": changed, "unset": unset})

    def _info(self, wish: Wish) -> bytes:
        return message(INFO, {**self._about, "info": _chosen(self._snapshot.all_fields(), wish)})


def message(kind: str, value: Mapping[str, object], ident: str = "") -> bytes:
    """Return a server-sent event.

    Args:
        kind: its type.
        value: its data.
        ident: its id, where it has one.
    """
    head = f"id: {ident}\n" if ident else ""
    return f"{head}event: {kind}\n".encode() + b"data: " + encode(value) + b"\n\n"


def _chosen(fields: Mapping[str, object], wish: Wish) -> Mapping[str, object]:
    if wish.keys:
        fields = {name: value for name, value in fields.items() if name in wish.keys}
    if wish.rights.hidden_fields:
        hides = wish.rights.hides
        fields = {name: value for name, value in fields.items() if not hides(name)}
    return fields


def _decoded(encoded: Fields) -> dict[str, object]:
    fields = unpack(encoded.as_map())
    assert isinstance(fields, dict)
    return fields
