"""Fields of an INFO reply as msgpack, straight from its bytes. Pure.

Native code does it where there is any; the Python here says what that must do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from zinfo.info.delta import find_delta
from zinfo.info.parser import Layout, cached_layout, parse
from zinfo.info.values import Value, reader_of
from zinfo.native.loader import Encoded, native
from zinfo.wire.codec import map_header, pack, pack_fields, unpack

MAX_CACHED_FIELDS: Final = 8192
"""Fields kept as msgpack: more than one reply has, which is written whole and as a delta."""
_SHORT: Final = 256  # of name and text of a field that is kept for later: shards invent both
_SET, _UNSET, _BASE = map_header(3) + pack("set"), pack("unset"), pack("base")  # keys of a delta


class Fields(NamedTuple):
    """Fields as they stand in a map, but without the map's header.

    Attributes:
        number: how many.
        pairs: name, value, name, value, ... as msgpack, in the reply's order.
    """

    number: int
    pairs: bytes

    def as_map(self) -> bytes:
        """Return the fields as a msgpack map."""
        return map_header(self.number) + self.pairs


def encode_fields(raw: bytes, layout: Layout | None) -> tuple[Fields, Layout]:
    """Write a reply's fields.

    Args:
        raw: A reply.
        layout: Its own, most likely: of an earlier reply of the server. None where not known.

    Returns:
        The fields; and the reply's layout.
    """
    if native is not None:
        layout = layout or cached_layout(raw)
        encoded = native.encode_fields(raw, layout.names, layout.kinds) if layout else None
        if layout is not None and encoded is not None:
            return _whole(encoded, layout), layout
    info = parse(raw)
    return pack_pairs(info.fields), info.layout


def encode_changes(old: bytes, new: bytes, layout: Layout) -> tuple[Fields, list[str], Layout]:
    """Write what changed from one reply to the next of the same server, as `find_delta` finds it.

    Args:
        old: A reply.
        new: The next one.
        layout: Of the old one, for certain.

    Returns:
        The fields that are new or other; the names of those that are gone; and the new layout.
    """
    if native is not None:
        encoded = native.encode_changes(old, new, layout.names, layout.kinds)
        if encoded is not None:
            return _whole(encoded, layout), [], layout
    delta, layout = find_delta(old, new, layout)
    return pack_pairs(delta.set), delta.unset, layout


def encode_snapshot(fields: Fields) -> bytes:
    """Return the body of an "info" message.

    Args:
        fields: All fields of the INFO.
    """
    return fields.as_map()


def encode_delta(changed: Fields, unset: list[str], base: int) -> bytes:
    """Return the body of a "delta" message.

    Args:
        changed: Fields that are new or have another value.
        unset: Names of the fields that were removed.
        base: Revision that the delta applies to; 0 for none.
    """
    return b"".join(
        (_SET, map_header(changed.number), changed.pairs, _UNSET, pack(unset), _BASE, pack(base))
    )


def encode_event(values: Mapping[str, object]) -> bytes:
    """Return the body of an "event" message.

    Args:
        values: The event as a map, as `Event.as_map` returns it.
    """
    return pack(values)


def without_fields(fields: Fields, hides: Callable[[str], bool]) -> Fields:
    """Return the fields less those whose name `hides` returns True for."""
    values: Any = unpack(fields.as_map())
    return pack_pairs({name: value for name, value in values.items() if not hides(name)})


def pack_pairs(fields: dict[str, Value]) -> Fields:
    """Write fields that were read already."""
    return Fields(len(fields), pack_fields(fields)[len(map_header(len(fields))) :])


def _whole(encoded: Encoded, layout: Layout) -> Fields:
    count, parts = encoded
    return Fields(count, b"".join([_written(part, layout) for part in parts]))


def _written(part: bytes | tuple[int, bytes], layout: Layout) -> bytes:
    if isinstance(part, bytes):
        return part
    number, text = part
    name = layout.names[number]
    write = _write_short if len(name) + len(text) <= _SHORT else _write
    return write(name, text)


def _write(name: str, text: bytes) -> bytes:
    return pack(name) + pack(reader_of(name)(text))


# Such as `listener0`, which is the same in each reply.
_write_short = lru_cache(maxsize=MAX_CACHED_FIELDS)(_write)
