"""Single fields of an INFO reply, found in its bytes without a parse. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from zinfo.info.parser import ALWAYS_LISTS
from zinfo.info.values import STATS_PREFIXES, Value, cache_entry, kind_of, reader_of
from zinfo.native.loader import native

LAYOUT_BYTES: Final = 32
"""How much of a reply tells its server's version, and so where its fields are."""
NEAR: Final = 96
"""Bytes that a field may have moved from where it was in another reply, to be found quickly."""
MAX_OFFSETS: Final = 1024
"""Remembered places of fields: a few fields for each version of a server."""

_HASH: Final = ord("#")
_offsets: dict[tuple[bytes, bytes], int] = {}


def find_field(raw: bytes, name: bytes) -> bytes | None:
    """Find one field's text in a reply without reading the rest.

    Args:
        raw: The reply's bytes.
        name: The field's name.

    Returns:
        The text after the name's colon, or None where there is no such line. Of a repeated
        field, one of them.
    """
    wanted = b"\n%b:" % name
    key = (name, raw[:LAYOUT_BYTES])
    near = _offsets.get(key)
    # A search of the whole reply costs microseconds, and the poller wants some fields each time.
    start = -1 if near is None else raw.find(wanted, max(near - NEAR, 0), near + NEAR)
    if start < 0:
        start = raw.find(wanted)
        if start >= 0:
            cache_entry(_offsets, key, start, MAX_OFFSETS)
        elif raw.startswith(wanted[1:]):
            start = -1
        else:
            return None
    start += len(wanted)
    end = raw.find(b"\n", start)
    return raw[start : end if end >= 0 else None].removesuffix(b"\r")


class FieldReader:
    """Reads the same few fields of many replies, and nothing else of them.

    Args:
        names: The fields' names.

    Attributes:
        MOST: Names that it takes; to find more costs as much as a whole parse.
    """

    MOST: Final = 16
    _MOST_OF_MANY: Final = 14  # with `meta`, what a map can have whose header is one byte

    def __init__(self, names: Collection[str]) -> None:
        # Only what can be the name of one line, up to its first colon.
        self._usable = len(names) <= self.MOST and all(
            name.isidentifier() and name not in ALWAYS_LISTS and not name.startswith(STATS_PREFIXES)
            for name in names
        )
        names = dict.fromkeys(names)
        self._names = tuple(name.encode("utf-8", "replace") for name in names)
        self._readers = [(name, reader_of(name)) for name in names] if self._usable else []
        # For native code, which writes names as they are.
        self._kinds = bytes(kind_of(name) for name, _ in self._readers if name.isascii())

    def read(self, raw: bytes) -> dict[str, Value] | None:
        """Read the fields.

        Args:
            raw: A reply's bytes.

        Returns:
            Those that are there, as `parse` reads them; None where only a whole parse can tell.
        """
        if not self._usable:
            return None
        find = _find_fields if native is None else native.find_fields
        texts = find(raw, self._names)
        if texts is None:
            return None  # repeated
        return {
            name: reader(text)
            for (name, reader), text in zip(self._readers, texts, strict=True)
            if text is not None
        }

    def encode(self, raw: bytes, told: Mapping[str, object]) -> bytes | None:
        """Write the fields that are there, and what else is told of a shard, as one msgpack map.

        Args:
            raw: A reply's bytes.
            told: Text to text, numbers, or maps of such; none of its names is one of the fields.

        Returns:
            What packing `read` and it gives; None where that has to be done instead.
        """
        if native is None or len(self._kinds) < len(self._names):
            return None
        return native.encode_entry(raw, self._names, self._kinds, told)

    @property
    def encodes_many(self) -> bool:
        """Whether `encode_many` can be called."""
        return native is not None and len(self._kinds) == len(self._names) <= self._MOST_OF_MANY

    def encode_many(
        self,
        ids: list[str],
        shards: list[Any],
        *,
        now: float,
        oldest: float,
        most: int,
        room: int,
    ) -> tuple[bytes, int, int]:
        """Write the fields of many shards, each with its `meta`, as msgpack maps.

        Shards without a reply, or with one that is too old, get none.

        Args:
            ids: The shards' ids.
            shards: The shards themselves; None where one is gone.
            now: The monotonic clock, from which ages count.
            oldest: By that clock, when a reply came at the earliest.
            most: Maps, at most.
            room: Bytes, at most.

        Returns:
            The maps, one after the other; how many; and how many shards that took. Where `most`
            was not reached, the shard after those, if there is one, has to be written by itself.
        """
        assert native is not None
        return native.encode_entries(ids, shards, self._names, self._kinds, now, oldest, most, room)


def _find_fields(raw: bytes, names: tuple[bytes, ...]) -> list[bytes | None] | None:
    texts = [find_field(raw, name) for name in names]
    for name, text in zip(names, texts, strict=True):
        wanted = b"\n%b:" % name
        if text is not None and raw.count(wanted) + raw.startswith(wanted[1:]) != 1:
            return None
    return texts


def has_fields(raw: bytes) -> bool:
    """Say whether `parse` would find any field: an empty reply is no snapshot.

    Args:
        raw: The reply's bytes.

    Returns:
        True where at least one line is a field.
    """
    colon = raw.find(b":")
    while colon >= 0:
        start = raw.rfind(b"\n", 0, colon) + 1
        if start < colon and raw[start] != _HASH:
            return True
        end = raw.find(b"\n", colon)
        colon = raw.find(b":", end) if end >= 0 else -1
    return False
