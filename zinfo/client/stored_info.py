"""One shard's INFO as a Mirror stores it: packed, with deltas that are not applied yet. Pure.

A delta is applied when the INFO is read: most values are replaced by the next delta before anything
reads them. Until then the deltas of a shard are folded into one, which has the newest value of each
field that has changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from zinfo.client.packed_info import EMPTY_INFO, FieldReader, decode_info, fold, merge
from zinfo.client.updates import Info
from zinfo.errors import ProtocolError

MAX_DELTA_BYTES: Final = 16 << 10
"""Largest sum of the sizes of two deltas that are folded into one; larger ones are applied."""


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
    """An INFO as msgpack, and a delta that is to be applied to it (empty: none); immutable."""

    packed: bytes | None
    delta: bytes

    def info(self) -> Info | None:
        """Return the INFO; None where there is none. Raises ProtocolError if it is malformed."""
        if self.packed is None:
            return None
        return decode_info(merge(self.packed, (self.delta,)) if self.delta else self.packed)


class StoredInfo:
    """The INFO of one shard.

    Attributes:
        revision: number of the INFO; 0 where there is none.
        time: the daemon's wall clock at that poll, seconds since the Unix epoch.
        polled_at: estimate of the same moment by the local clock.
    """

    __slots__ = ("_delta", "_packed", "polled_at", "revision", "time")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Drop the INFO: there is none, or what is stored cannot be decoded."""
        self.revision = 0
        self.time = 0.0
        self.polled_at = float("-inf")
        self._packed: bytes | None = None
        self._delta = b""  # the native part sets it, too

    def replace(self, packed: bytes, revision: int, time: float, polled_at: float) -> None:
        """Store a whole INFO."""
        self.revision, self.time, self.polled_at = revision, time, polled_at
        self._packed, self._delta = packed, b""

    def add(self, revision: int, base: int, time: float, polled_at: float, body: bytes) -> None:
        """Add a delta that follows from the INFO that is stored, or has no base.

        The arguments are those of `PackedDelta`.

        Raises:
            ProtocolError: the delta, or what is stored, is malformed. All is dropped.
        """
        if not base:
            self._packed, self._delta = EMPTY_INFO, b""
        self.revision, self.time, self.polled_at = revision, time, polled_at
        with self._dropped_if_malformed():
            if base and len(self._delta) + len(body) <= MAX_DELTA_BYTES:
                folded = fold(self._delta, body)
                if folded:
                    self._delta = folded
                    return
            assert self._packed is not None
            waiting = (self._delta, body) if self._delta else (body,)
            self._packed, self._delta = merge(self._packed, waiting), b""

    def parts(self) -> InfoParts:
        """Return what is stored, to be decoded elsewhere."""
        return InfoParts(self._packed, self._delta)

    def packed(self) -> bytes | None:
        """Return the INFO as msgpack, the delta applied; None where there is none.

        Raises:
            ProtocolError: what is stored is malformed. It is dropped.
        """
        if self._delta:
            assert self._packed is not None
            with self._dropped_if_malformed():
                self._packed, self._delta = merge(self._packed, (self._delta,)), b""
        return self._packed

    def info(self) -> Info | None:
        """Return the INFO; None where there is none. Raises as `packed` does."""
        packed = self.packed()
        if packed is None:
            return None
        with self._dropped_if_malformed():
            return decode_info(packed)

    def fields(self, reader: FieldReader) -> Info:
        """Return some fields, without applying the delta. Raises as `packed` does."""
        if self._packed is None:
            return {}
        with self._dropped_if_malformed():
            found = reader.of_info(self._packed)
            if self._delta:
                found.update(reader.of_delta(self._delta)[0])
        return found

    @contextlib.contextmanager
    def _dropped_if_malformed(self) -> Iterator[None]:
        try:
            yield
        except ProtocolError:
            self.clear()
            raise
