"""One shard's INFO as a Mirror stores it: packed, with deltas that are not applied yet. Pure.

A delta is applied when the INFO is read, or when many are waiting: most values are replaced by the
next delta before anything reads them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from zinfo.client.packed_info import EMPTY_INFO, FieldReader, decode_info, merge
from zinfo.client.updates import Info
from zinfo.errors import ProtocolError

MAX_DELTAS: Final = 16
"""Deltas of a shard that wait to be applied."""

MAX_DELTA_BYTES: Final = 8192
"""Bytes of the deltas of a shard that wait to be applied."""


class PackedDelta(msgspec.Struct, frozen=True, gc=False):
    """A delta whose body is still msgpack.

    Attributes:
        revision: number of the INFO.
        base: revision to which it applies; 0 for none.
        time: wall clock at the daemon, seconds since the Unix epoch.
        polled_at: local clock when the daemon polled the shard.
        body: the message's.
    """

    revision: int
    base: int
    time: float
    polled_at: float
    body: bytes

    def values(self) -> tuple[int, int, float, float, bytes]:
        """Return all attributes in their order."""
        return self.revision, self.base, self.time, self.polled_at, self.body


class InfoParts(NamedTuple):
    """An INFO as msgpack, and deltas that are to be applied to it; immutable."""

    packed: bytes | None
    deltas: tuple[bytes, ...]

    def info(self) -> Info | None:
        """Return the INFO; None where there is none. Raises ProtocolError if it is malformed."""
        if self.packed is None:
            return None
        return decode_info(merge(self.packed, self.deltas) if self.deltas else self.packed)


class StoredInfo:
    """The INFO of one shard.

    Attributes:
        revision: number of the INFO; 0 where there is none.
        time: the daemon's wall clock at that poll, seconds since the Unix epoch.
        polled_at: estimate of the same moment by the local clock.
    """

    __slots__ = ("_deltas", "_packed", "_size", "polled_at", "revision", "time")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Drop the INFO: there is none, or what is stored cannot be decoded."""
        self.revision = 0
        self.time = 0.0
        self.polled_at = float("-inf")
        self._packed: bytes | None = None
        self._deltas: list[bytes] | None = None  # a list takes memory even if it is empty
        self._size = 0  # bytes of the deltas

    def replace(self, packed: bytes, revision: int, time: float, polled_at: float) -> None:
        """Store a whole INFO."""
        self.revision, self.time, self.polled_at = revision, time, polled_at
        self._packed, self._deltas, self._size = packed, None, 0

    def add(self, revision: int, base: int, time: float, polled_at: float, body: bytes) -> None:
        """Add a delta that follows from the INFO that is stored, or has no base.

        The arguments are those of `PackedDelta`.

        Raises:
            ProtocolError: what is stored is malformed. It is dropped.
        """
        if not base:
            self._packed, self._deltas, self._size = EMPTY_INFO, None, 0
        self.revision, self.time, self.polled_at = revision, time, polled_at
        deltas = self._deltas
        if deltas is None:
            self._deltas = deltas = [body]
        else:
            deltas.append(body)
        self._size = size = self._size + len(body)
        if size > MAX_DELTA_BYTES or len(deltas) > MAX_DELTAS:
            self.packed()

    def parts(self) -> InfoParts:
        """Return what is stored, to be decoded elsewhere."""
        return InfoParts(self._packed, tuple(self._deltas or ()))

    def packed(self) -> bytes | None:
        """Return the INFO as msgpack, all deltas applied; None where there is none.

        Raises:
            ProtocolError: what is stored is malformed. It is dropped.
        """
        if self._deltas:
            assert self._packed is not None
            try:
                self._packed = merge(self._packed, tuple(self._deltas))
            except ProtocolError:
                self.clear()
                raise
            self._deltas, self._size = None, 0
        return self._packed

    def info(self) -> Info | None:
        """Return the INFO; None where there is none. Raises as `packed` does."""
        packed = self.packed()
        if packed is None:
            return None
        with self._dropped_if_malformed():
            return decode_info(packed)

    def fields(self, reader: FieldReader) -> Info:
        """Return some fields, without applying the deltas. Raises as `packed` does."""
        if self._packed is None:
            return {}
        with self._dropped_if_malformed():
            found = reader.of_info(self._packed)
            for body in self._deltas or ():
                changed, unset = reader.of_delta(body)
                found.update(changed)
                for name in unset:
                    found.pop(name, None)
        return found

    @contextlib.contextmanager
    def _dropped_if_malformed(self) -> Iterator[None]:
        try:
            yield
        except ProtocolError:
            self.clear()
            raise
