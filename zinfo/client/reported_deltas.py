"""Makes the deltas that listeners get from packed ones, with the wanted fields only. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from zinfo.client.inferred_events import inferred_delta
from zinfo.client.packed_info import FieldReader, decode_changes, decode_info, reader_of
from zinfo.client.snapshot_page import PackedEntry
from zinfo.client.stored_info import StoredInfo
from zinfo.client.updates import Delta, copied, make_delta
from zinfo.errors import ProtocolError

MAX_NATIVE_NAMES: Final = 16
"""Names that the native part finds in a delta (MAX_WANTED of zinfo/native/delta.h)."""


class DeltaReporter:
    """Makes deltas for listeners.

    Args:
        names: of the fields that any listener wants; None for all.
        skips_empty: whether a delta that has none of the wanted fields is left out.

    Attributes:
        names: of the fields, as bytes, where the native part can find them in a delta; else None.
    """

    def __init__(self, names: Collection[str] | None, *, skips_empty: bool) -> None:
        self._reader: FieldReader | None = None if names is None else reader_of(frozenset(names))
        self._skips_empty = skips_empty or names is not None
        self.names: tuple[bytes, ...] | None = None
        if names is not None and len(names) <= MAX_NATIVE_NAMES:
            self.names = tuple(name.encode(errors="backslashreplace") for name in names)

    def of_delta(
        self, shard: str, revision: int, base: int, time: float, body: bytes
    ) -> list[Delta]:
        """Return a delta; nothing where it has none of the wanted fields.

        Raises:
            ProtocolError: its body is malformed.
        """
        if self._reader is None:
            changed, unset, _ = decode_changes(body)
        else:
            changed, unset = self._reader.of_delta(body)
        if self._skips_empty and not changed and not unset:
            return []
        return [make_delta(shard, revision, base, time, changed, unset)]

    def inferred(self, entry: PackedEntry, info: bytes, stored: StoredInfo) -> list[Delta]:
        """Return the difference between the stored INFO and that of a snapshot.

        Args:
            entry: the shard in the snapshot.
            info: its INFO.
            stored: the INFO before.

        Raises:
            ProtocolError: the INFO of the snapshot is malformed.
        """
        reader = self._reader
        try:
            former = stored.info() if reader is None else stored.fields(reader)
        except ProtocolError:
            former = None  # it was dropped
        now = decode_info(info) if reader is None else reader.of_info(info)
        delta = inferred_delta(entry, now, former if stored.revision else None, stored.revision)
        return [] if self._skips_empty and not delta.set and not delta.unset else [delta]


def field_names(names: Collection[str]) -> frozenset[str]:
    """Return the names of fields that a caller gave.

    Raises:
        TypeError: it is one text, or one of them is not text.
        ValueError: there is none.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError("fields takes several names of fields, not one text")
    if not names:
        raise ValueError("fields needs the name of a field; None takes all")
    return frozenset(names)


def union_of(wanted: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    """Return the fields that any listener wants; None for all."""
    return frozenset().union(*(names or () for names in wanted)) if all(wanted) else None


def chosen(delta: Delta, names: frozenset[str] | None) -> Delta | None:
    """Return a copy of a delta with some fields only; None where it has none of them.

    Args:
        delta: it may have more fields.
        names: of the fields; None for all.
    """
    if names is None:
        return replace(delta, set=copied(delta.set))
    changed = {name: copied(value) for name, value in delta.set.items() if name in names}
    unset = tuple(name for name in delta.unset if name in names)
    return replace(delta, set=changed, unset=unset) if changed or unset else None
