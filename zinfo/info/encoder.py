"""Encodes fields of INFO replies, and bodies of bus messages, as msgpack. Pure.

Fields are encoded straight from the bytes of a reply by native code, if it was compiled; the Python
code here does the same and is the reference for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from zinfo.info.delta import find_delta
from zinfo.info.parser import ALWAYS_LISTS, Layout, cached_layout, parse
from zinfo.info.selections import Selections
from zinfo.info.values import reader_of
from zinfo.native.loader import native
from zinfo.wire.codec import map_header, pack, pack_fields, unpack

MAX_CACHED_FIELDS: Final = 8192
"""Encoded fields that are cached: more than one reply has, as it is encoded whole and as delta."""
_MAX_CACHED_LIST: Final = 4096  # the same of a list
_MAX_CACHED: Final = 256  # bytes of name and text of a cached field: a server may invent both


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
        if layout is not None:
            encoded = native.encode_fields(raw, layout.names, layout.kinds, _encode_rare)
            if encoded is not None:
                return Fields(*encoded), layout
    info = parse(raw)
    return pack_pairs(info.fields), info.layout


def encode_deltas(
    old: bytes, new: bytes, layout: Layout, selections: Selections, wanted: int, base: int
) -> tuple[list[bytes | None], Layout]:
    """Encode what changed from one reply to the next of the same server, as `find_delta` finds it.

    Args:
        old: A reply.
        new: The next reply.
        layout: The layout of the old reply; another one gives wrong results.
        selections: Selections of fields.
        wanted: A bit for each selection to encode.
        base: Revision of the old reply.

    Returns:
        For each selection the body of its "delta" message, None for one that is not wanted; and the
        layout of the new reply.
    """
    if native is not None:
        bodies = native.encode_deltas(
            old,
            new,
            layout.names,
            layout.kinds,
            selections.masks(layout),
            wanted,
            selections.number,
            base,
            _encode_rare,
        )
        if bodies is not None:
            return bodies, layout
    delta, layout = find_delta(old, new, layout)
    return selections.encode(delta, wanted, base), layout


def encode_snapshot(fields: Fields) -> bytes:
    """Return the body of an "info" message.

    Args:
        fields: All fields of the INFO.
    """
    return fields.as_map()


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


def _encode_rare(name: str, text: bytes) -> bytes:
    """Encode a field that native code leaves to Python; of a list it passes the lines, with LF."""
    is_list = name in ALWAYS_LISTS
    if len(name) + len(text) > (_MAX_CACHED_LIST if is_list else _MAX_CACHED):
        return _encode_list(name, text) if is_list else _encode_field(name, text)
    return _cached_list(name, text) if is_list else _encode_cached(name, text)


def _encode_field(name: str, text: bytes) -> bytes:
    return pack(name) + pack(reader_of(name)(text))


def _encode_list(name: str, texts: bytes) -> bytes:
    return pack(name) + pack(list(map(reader_of(name), texts.split(b"\n"))))


# Fields such as `listener0`, which native code leaves to Python, are the same in each reply.
_encode_cached = lru_cache(maxsize=MAX_CACHED_FIELDS)(_encode_field)
_cached_list = lru_cache(maxsize=64)(_encode_list)
