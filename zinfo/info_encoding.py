"""The fields of an INFO reply as msgpack, straight from its bytes. Pure."""

from __future__ import annotations

from zinfo.info import Layout, layout_of, parse
from zinfo.info_native import native
from zinfo.info_values import NO_FIELD, reader_of
from zinfo.protocol import map_header, pack, pack_fields


def encode_fields(raw: bytes, layout: Layout | None) -> tuple[int, bytes, Layout]:
    """Write a reply's fields as msgpack, as they stand in a map but without a map's header.

    Args:
        raw: A reply.
        layout: Of the reply before it, of the same server; None where that is not known.

    Returns:
        The number of fields; name, value, name, value, ... in the reply's order; and its layout.
    """
    if native is not None:
        layout = layout or layout_of(raw)
        parts = native.encode_fields(raw, layout.names, layout.kinds)
        if parts is not None:
            count = len(layout.kinds) - layout.kinds.count(NO_FIELD)
            return count, b"".join([_written(part, layout) for part in parts]), layout
    info = parse(raw)
    fields = info.fields
    return len(fields), pack_fields(fields)[len(map_header(len(fields))) :], info.layout


def _written(part: bytes | tuple[int, bytes], layout: Layout) -> bytes:
    if isinstance(part, bytes):
        return part
    number, text = part
    name = layout.names[number]
    return pack(name) + pack(reader_of(name)(text))
