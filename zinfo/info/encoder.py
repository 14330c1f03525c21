"""Encodes fields of INFO replies, and bodies of bus messages, as msgpack. Pure.

Fields are encoded straight from the bytes of a reply by native code, if it was compiled; the Python
code here does the same and is the reference for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from zinfo.info.delta import find_delta
from zinfo.info.parser import Layout, cached_layout, parse
from zinfo.info.values import reader_of
from zinfo.native.loader import Encoded, native
from zinfo.wire.codec import map_header, pack, pack_fields, unpack

MAX_CACHED_FIELDS: Final = 8192
"""Encoded fields that are cached: more than one reply has, as it is encoded whole and as delta."""
_MAX_CACHED: Final = 256  # bytes of name and text of a cached field: a server may invent both
_SET, _UNSET, _BASE = map_header(3) + pack("set"), pack("unset"), pack("base")  # keys of a delta


class Fields(NamedTuple):
    """Encoded fields: a msgpack map without its header.

    Attributes:
        number: number of fields.
        pairs: name, value, name, value, ... as msgpack, in the reply's order.
    """

    number: int
    pairs: bytes

    def as_map(self) -> bytes:
        """Return the fields as a msgpack map."""
        return map_header(self.number) + self.pairs


def encode_fields(raw: bytes, layout: Layout | None) -> tuple[Fields, Layout]:
    """Encode a reply's fields.

    Args:
        raw: A reply.
        layout: Its likely layout: that of an earlier reply of the server. None where not known.

    Returns:
        The fields, and the layout of the reply.
    """
    if native is not None:
        layout = layout or cached_layout(raw)
        encoded = native.encode_fields(raw, layout.names, layout.kinds) if layout else None
        if layout is not None and encoded is not None:
            return _joined(encoded, layout), layout
    info = parse(raw)
    return pack_pairs(info.fields), info.layout


def encode_changes(old: bytes, new: bytes, layout: Layout) -> tuple[Fields, list[str], Layout]:
    """Encode what changed from one reply to the next of the same server, as `find_delta` finds it.

    Args:
        old: A reply.
        new: The next reply.
        layout: The layout of the old reply; another one gives wrong results.

    Returns:
        The fields that are new or have another value, the names of the fields that were removed,
        and the layout of the new reply.
    """
    if native is not None:
        encoded = native.encode_changes(old, new, layout.names, layout.kinds)
        if encoded is not None:
            return _joined(encoded, layout), [], layout
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


def pack_pairs(fields: Mapping[str, object]) -> Fields:
    """Encode parsed fields, or other values by name."""
    return Fields(len(fields), pack_fields(fields)[len(map_header(len(fields))) :])


def _joined(encoded: Encoded, layout: Layout) -> Fields:
    count, parts = encoded
    return Fields(count, b"".join([_encode_part(part, layout) for part in parts]))


def _encode_part(part: bytes | tuple[int, bytes], layout: Layout) -> bytes:
    if isinstance(part, bytes):
        return part
    number, text = part
    name = layout.names[number]
    encode = _encode_cached if len(name) + len(text) <= _MAX_CACHED else _encode_field
    return encode(name, text)


def _encode_field(name: str, text: bytes) -> bytes:
    return pack(name) + pack(reader_of(name)(text))


# Fields such as `listener0`, which native code leaves to Python, are the same in each reply.
_encode_cached = lru_cache(maxsize=MAX_CACHED_FIELDS)(_encode_field)
