"""Bodies of the bus's messages about one poll, made once for all whom they are the same for."""

from __future__ import annotations

from typing import Any, Protocol

from zinfo.info_encoding import Fields
from zinfo.protocol import map_header, pack, pack_fields, unpack
from zinfo.snapshot import Snapshot

_SET, _UNSET, _BASE = map_header(3) + pack("set"), pack("unset"), pack("base")  # of a delta


class Hiding(Protocol):
    """Says which fields are left out."""

    @property
    def withheld(self) -> tuple[str, ...]:
        """The patterns of their names; two of the same patterns leave out the same."""
        ...

    def withholds(self, name: str) -> bool:
        """Return whether a field is left out."""
        ...


class Bodies:
    """The INFO and the delta of one poll, encoded when they are first asked for.

    Args:
        previous: the snapshot before; None where there is none.
        snapshot: the new one.
    """

    __slots__ = ("_change", "_made", "_previous", "_snapshot")

    def __init__(self, previous: Snapshot | None, snapshot: Snapshot) -> None:
        self._previous = previous
        self._snapshot = snapshot
        self._change: tuple[Fields, list[str]] | None = None
        self._made: dict[tuple[str, tuple[str, ...]], bytes] = {}

    def delta(self, hiding: Hiding | None) -> bytes:
        """Return the body of a delta, without some fields."""
        key = ("delta", hiding.withheld if hiding else ())
        body = self._made.get(key)
        if body is None:
            if self._change is None:
                self._change = self._snapshot.delta_from(self._previous)
            fields, gone = self._change
            if hiding:
                fields = _without(fields, hiding)
                gone = [name for name in gone if not hiding.withholds(name)]
            body = self._made[key] = b"".join(
                (
                    _SET,
                    map_header(fields.number),
                    fields.pairs,
                    _UNSET,
                    pack(gone),
                    _BASE,
                    pack(self._previous.revision if self._previous else 0),
                )
            )
        return body

    def info(self, hiding: Hiding | None) -> bytes:
        """Return the body of a message with the whole INFO, without some fields."""
        key = ("info", hiding.withheld if hiding else ())
        body = self._made.get(key)
        if body is None:
            fields = self._snapshot.encoded()
            if hiding:
                fields = _without(fields, hiding)
            body = self._made[key] = map_header(fields.number) + fields.pairs
        return body


def _without(fields: Fields, hiding: Hiding) -> Fields:
    values: Any = unpack(map_header(fields.number) + fields.pairs)
    told = {name: value for name, value in values.items() if not hiding.withholds(name)}
    return Fields(len(told), pack_fields(told)[len(map_header(len(told))) :])
