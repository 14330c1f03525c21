"""Finds single fields in the bytes of an INFO reply, without parsing the rest. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from zinfo.info.kinds import STATS_PREFIXES, kind_of
from zinfo.info.parser import ALWAYS_LISTS
from zinfo.info.values import Value, cache_entry, reader_of
from zinfo.native.loader import native

LAYOUT_BYTES: Final = 32
"""Bytes at the start of a reply that differ by the server's version, and so by the layout."""
NEAR: Final = 96
"""A field is searched first within this many bytes of its offset in an earlier reply."""
MAX_OFFSETS: Final = 1024
"""Cached offsets of fields: a few fields for each version of a server."""

_offsets: dict[tuple[bytes, bytes], int] = {}


def find_field(raw: bytes, name: bytes) -> bytes | None:
    """Find one field's text in a reply without parsing the rest.

    Args:
        raw: The reply's bytes.
        name: The field's name.

    Returns:
        The text after the colon, or None where there is no such line. If the field is repeated,
        the text of any of its lines.
    """
    wanted = b"\n%b:" % name
    key = (name, raw[:LAYOUT_BYTES])
    near = _offsets.get(key)
    # Searching the whole reply takes microseconds, and the poller reads some fields in each poll.
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


def find_texts(raw: bytes, names: tuple[bytes, ...]) -> list[bytes | None] | None:
    """Find the texts of some fields in a reply without parsing the rest.

    Args:
        raw: The reply's bytes.
        names: The fields' names.

    Returns:
        For each field the text after the colon; None where there is no such line. None instead of
        a list if a field is repeated.
    """
    return (_find_fields if native is None else native.find_fields)(raw, names)


class FieldReader:
    """Reads the same few fields from many replies.

    Args:
        names: The fields' names.

    Attributes:
        names: The fields' names.
        MOST: Largest number of names; finding more fields would cost as much as a whole parse.
    """

    MOST: Final = 16
    _MOST_OF_MANY: Final = 14  # with `meta`, the largest map with a header of one byte

    def __init__(self, names: Collection[str]) -> None:
        # Only fields of one line whose name ends at the first colon.
        self._usable = len(names) <= self.MOST and all(
            name.isidentifier() and name not in ALWAYS_LISTS and not name.startswith(STATS_PREFIXES)
            for name in names
        )
        names = dict.fromkeys(names)
        self.names = tuple(names)
        self._names = tuple(name.encode("utf-8", "replace") for name in names)
        self._readers = [(name, reader_of(name)) for name in names] if self._usable else []
        # For native code, which encodes ASCII names only.
        self._kinds = bytes(kind_of(name) for name, _ in self._readers if name.isascii())

    def read(self, raw: bytes) -> dict[str, Value] | None:
        """Parse the fields.

        Args:
            raw: A reply's bytes.

        Returns:
            The fields that the reply has, as `parse` returns them; None where that takes a whole
            parse.
        """
        if not self._usable:
            return None
        texts = find_texts(raw, self._names)
        if texts is None:
            return None  # a field is repeated
        return {
            name: reader(text)
            for (name, reader), text in zip(self._readers, texts, strict=True)
            if text is not None
        }

    def encode(self, raw: bytes, more: Mapping[str, object]) -> bytes | None:
        """Encode the fields that the reply has, and more values, as one msgpack map.

        Args:
            raw: A reply's bytes.
            more: Text to text, numbers, or maps of them; no name is the name of one of the fields.

        Returns:
            The map; None where the caller has to pack the values itself, after `read` or `parse`.
        """
        if native is None or len(self._kinds) < len(self._names):
            return None
        return native.encode_entry(raw, self._names, self._kinds, more)

    @property
    def encodes_many(self) -> bool:
        """Whether `encode_many` may be called."""
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
        """Encode the fields of many shards, each with its `meta`, as msgpack maps.

        Shards without a reply, or whose reply is too old, are skipped.

        Args:
            ids: The shards' ids.
            shards: The shards; None for one that was removed.
            now: Monotonic clock, for the ages.
            oldest: Monotonic clock at which a reply must have arrived at the earliest.
            most: Largest number of maps.
            room: Largest number of bytes.

        Returns:
            The maps, concatenated; their number; and the number of shards processed. If there are
            fewer maps than `most`, the caller has to encode the next shard, if there is one.
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
