"""Bodies of the bus's messages about one poll, made once for all whom they are the same for."""

from __future__ import annotations

from typing import Any, Protocol

from zinfo.info.encoder import Fields
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.protocol import map_header, pack, pack_fields, unpack

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


def delta_body(fields: Fields, gone: list[str], base: int) -> bytes:
    """Return the body of a delta.

    Args:
        fields: what is new or has another value.
        gone: names of the fields that are no longer there.
        base: the revision that it is a change of; 0 for none.
    """
    return b"".join(
        (_SET, map_header(fields.number), fields.pairs, _UNSET, pack(gone), _BASE, pack(base))
    )


def info_body(fields: Fields) -> bytes:
    """Return the body of a message with a whole INFO."""
    return map_header(fields.number) + fields.pairs


class HiddenBodies:
    """Bodies about one poll without some fields, each made once for all that are told the same.

    Args:
        previous: the snapshot before; None where there is none.
        snapshot: the new one.
    """

    def __init__(self, previous: Snapshot | None, snapshot: Snapshot) -> None:
        self._previous = previous
        self._snapshot = snapshot
        self._change: tuple[Fields, list[str]] | None = None
        self._deltas: dict[tuple[str, ...], bytes] = {}
        self._infos: dict[tuple[str, ...], bytes] = {}

    def delta(self, hiding: Hiding) -> bytes:
        """Return the body of a delta; one in which nothing else changed is empty."""
        body = self._deltas.get(hiding.withheld)
        if body is None:
            if self._change is None:
                self._change = self._snapshot.delta_from(self._previous)
            fields, gone = self._change
            gone = [name for name in gone if not hiding.withholds(name)]
            base = self._previous.revision if self._previous else 0
            body = self._deltas[hiding.withheld] = delta_body(_without(fields, hiding), gone, base)
        return body

    def info(self, hiding: Hiding) -> bytes:
        """Return the body of a message with the INFO."""
        body = self._infos.get(hiding.withheld)
        if body is None:
            fields = _without(self._snapshot.encoded(), hiding)
            body = self._infos[hiding.withheld] = info_body(fields)
        return body


def _without(fields: Fields, hiding: Hiding) -> Fields:
    values: Any = unpack(map_header(fields.number) + fields.pairs)
    told = {name: value for name, value in values.items() if not hiding.withholds(name)}
    return Fields(len(told), pack_fields(told)[len(map_header(len(told))) :])
