"""Bodies of the INFO and delta messages for clients with hidden fields.

Sockets that hide the same fields share one encoding.
"""

from __future__ import annotations

from typing import Protocol

from zinfo.info.encoder import Fields, encode_delta, encode_snapshot, without_fields
from zinfo.shards.snapshot import Snapshot


class FieldFilter(Protocol):
    """Decides which fields are hidden."""

    @property
    def hidden_fields(self) -> tuple[str, ...]:
        """Patterns of field names; filters with equal patterns hide the same fields."""
        ...

    def hides(self, name: str) -> bool:
        """Return whether a field is hidden."""
        ...


class FilteredBodies:
    """Bodies of the messages about one poll, without the fields that a filter hides.

    Args:
        previous: the snapshot before; None if there is none.
        snapshot: the new snapshot.
    """

    def __init__(self, previous: Snapshot | None, snapshot: Snapshot) -> None:
        self._previous = previous
        self._snapshot = snapshot
        self._change: tuple[Fields, list[str]] | None = None
        self._deltas: dict[tuple[str, ...], bytes] = {}
        self._infos: dict[tuple[str, ...], bytes] = {}

    def delta(self, field_filter: FieldFilter) -> bytes:
        """Return the body of a delta; it is empty if only hidden fields have changed."""
        body = self._deltas.get(field_filter.hidden_fields)
        if body is None:
            if self._change is None:
                self._change = self._snapshot.delta_from(self._previous)
            fields, removed = self._change
            removed = [name for name in removed if not field_filter.hides(name)]
            visible = without_fields(fields, field_filter.hides)
            base = self._previous.revision if self._previous else 0
            body = self._deltas[field_filter.hidden_fields] = encode_delta(visible, removed, base)
        return body

    def info(self, field_filter: FieldFilter) -> bytes:
        """Return the body of an INFO message."""
        body = self._infos.get(field_filter.hidden_fields)
        if body is None:
            fields = without_fields(self._snapshot.encoded(), field_filter.hides)
            body = self._infos[field_filter.hidden_fields] = encode_snapshot(fields)
        return body
