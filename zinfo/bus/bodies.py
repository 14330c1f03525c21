"""Bodies of the bus's messages about one poll, made once for all whom they are the same for."""

from __future__ import annotations

from typing import Protocol

from zinfo.info.encoder import Fields, encode_delta, encode_snapshot, without_fields
from zinfo.shards.snapshot import Snapshot


class Hiding(Protocol):
    """Says which fields are left out."""

    @property
    def hidden_fields(self) -> tuple[str, ...]:
        """The patterns of their names; two of the same patterns leave out the same."""
        ...

    def hides(self, name: str) -> bool:
        """Return whether a field is left out."""
        ...


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
        body = self._deltas.get(hiding.hidden_fields)
        if body is None:
            if self._change is None:
                self._change = self._snapshot.delta_from(self._previous)
            fields, gone = self._change
            gone = [name for name in gone if not hiding.hides(name)]
            visible = without_fields(fields, hiding.hides)
            base = self._previous.revision if self._previous else 0
            body = self._deltas[hiding.hidden_fields] = encode_delta(visible, gone, base)
        return body

    def info(self, hiding: Hiding) -> bytes:
        """Return the body of a message with the INFO."""
        body = self._infos.get(hiding.hidden_fields)
        if body is None:
            fields = without_fields(self._snapshot.encoded(), hiding.hides)
            body = self._infos[hiding.hidden_fields] = encode_snapshot(fields)
        return body
