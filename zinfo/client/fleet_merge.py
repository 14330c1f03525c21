"""The newest copy of each shard, of the entries that several daemons report. Pure.

Of two copies, the one with an INFO counts, and of two with an INFO the one that arrived later at
its daemon. An age counts from the moment at which the entry was received, so that copies in replies
of different moments can be compared. Everything else, such as the state, is that of the same copy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from typing import Final, NamedTuple, TypeVar

from zinfo.client.requests import Map
from zinfo.errors import NotPolledError, ProtocolError, UnknownShardError
from zinfo.wire.lifecycle import BUSY, LOADING, UP

_ANSWERING: Final = frozenset({UP, LOADING, BUSY})

Key = TypeVar("Key")


class EntryFormat(NamedTuple):
    """Where the entries of an operation have what matters here.

    Attributes:
        shard: returns the id of the shard.
        age: returns the age of the INFO in seconds; infinite without one.
        state: returns the state; None for an unknown shard.
    """

    shard: Callable[[Map], str]
    age: Callable[[Map], float]
    state: Callable[[Map], object]


class _Copy(NamedTuple):
    arrived: float  # local clock at which the daemon got the INFO; -inf without one
    entry: Map


class EntryMerge:
    """Takes entries from several daemons, and holds the newest one of each shard.

    Safe from any thread.

    Args:
        fields: where the entries have what matters.
    """

    def __init__(self, fields: EntryFormat) -> None:
        self._fields = fields
        self._copies: dict[str, _Copy] = {}
        self._lock = threading.Lock()
        self._ended = False

    def add(self, entries: Iterable[Map], now: float) -> None:
        """Take the entries of a reply.

        Args:
            entries: in any order.
            now: local clock when they were received.

        Raises:
            ProtocolError: an entry lacks the id or the age.
        """
        shard_of, age_of = self._fields.shard, self._fields.age
        with self._lock:
            if self._ended:
                return
            copies = self._copies
            for entry in entries:
                try:
                    shard, arrived = shard_of(entry), now - age_of(entry)
                except (KeyError, TypeError, AttributeError, ValueError):
                    raise ProtocolError("an entry of the reply has no id or no age") from None
                if not isinstance(shard, str):
                    raise ProtocolError("the id in an entry of the reply is not a text")
                held = copies.get(shard)
                if held is None or _is_newer(arrived, entry, held, self._fields):
                    copies[shard] = _Copy(arrived, entry)

    def take(self, ids: Sequence[str] = ()) -> list[Map]:
        """Return the entries; further ones are ignored from now on.

        Args:
            ids: in the order of the result, without those that have no entry; empty for all
                shards, sorted by id.
        """
        with self._lock:
            self._ended = True
            copies = self._copies
            return [copies[shard].entry for shard in ids or sorted(copies) if shard in copies]

    def has_info(self, shard: str) -> bool:
        """Return whether a copy of the shard has an INFO."""
        copy = self._copies.get(shard)
        return copy is not None and copy.arrived > -inf

    def is_current(self, shard: str) -> bool:
        """Return whether the daemon of the held copy gets replies from the shard."""
        copy = self._copies.get(shard)
        return copy is not None and self._fields.state(copy.entry) in _ANSWERING


def _is_newer(arrived: float, entry: Map, held: _Copy, fields: EntryFormat) -> bool:
    if arrived != held.arrived:
        return arrived > held.arrived
    # A daemon that has a shard without INFO says more than one that does not know the shard.
    return fields.state(held.entry) is None and fields.state(entry) is not None


def _info_age(entry: Map) -> float:
    meta = entry["meta"]
    return inf if "error" in meta else float(meta.get("info_age", inf))


def _shard_age(entry: Map) -> float:
    age = entry.get("age")
    return inf if age is None else float(age)


INFO_ENTRIES: Final = EntryFormat(
    shard=lambda entry: entry["meta"]["shard_identifier"],
    age=_info_age,
    state=lambda entry: entry["meta"].get("state"),
)
"""Of `get_infos`."""

SHARD_ENTRIES: Final = EntryFormat(
    shard=lambda entry: entry["id"],
    age=_shard_age,
    state=lambda entry: entry.get("state"),
)
"""Of `shards`."""


def in_states(entries: list[Map], states: Collection[str], fields: EntryFormat) -> list[Map]:
    """Return the entries of shards in one of some states, and those of unknown shards.

    The daemons are not asked for the states, as each knows only that of its own copy.

    Args:
        entries: of each shard the newest.
        states: empty for all.
        fields: where the entries have the state.
    """
    if not states:
        return entries
    return [one for one in entries if (found := fields.state(one)) is None or found in states]


def without_errors(entries: Iterable[Map], unanswered: Collection[str]) -> list[Map]:
    """Return the entries of `get_infos` that have INFO.

    Args:
        entries: those of some shards.
        unanswered: ids of the shards for which no daemon that must know has answered; their errors
            mean nothing.

    Raises:
        UnknownShardError: no daemon that answered has a shard.
        NotPolledError: a shard was never polled.
    """
    found = []
    for entry in entries:
        meta = entry["meta"]
        if "error" not in meta:
            found.append(entry)
        elif meta["shard_identifier"] not in unanswered:
            kind = UnknownShardError if meta.get("state") is None else NotPolledError
            raise kind(str(meta["error"]))
    return found
