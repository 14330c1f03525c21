"""A page of columns as JSON: arrays of numbers and texts in place of packed numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec

from zinfo.adapters.http.responses import encode
from zinfo.loop.yielding import CooperativeYield
from zinfo.wire.codec import unpack
from zinfo.wire.column_pages import page_from_body

COLUMNS_PAGE_BYTES: Final = 1 << 18
"""Target size of a page in bytes of msgpack: one field of 8,000 shards takes half a millisecond."""

_parts: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_items: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def columns_as_json(packed: bytes, args: Mapping[str, object]) -> bytes:
    """Return the body of a reply to `get_columns` as JSON; yields to the event loop.

    Each column is decoded and encoded by itself, as all of them together could take 20 ms.

    Args:
        packed: the body, with ids.
        args: of the request, which was valid.
    """
    yielder = CooperativeYield(low_priority=True)

    def unpacked(part: msgspec.Raw) -> object:
        yielder.maybe_yield()
        return unpack(bytes(part))

    def encoded(values: Sequence[object]) -> msgspec.Raw:
        yielder.maybe_yield()
        return msgspec.Raw(encode(list(values)))

    parts = _parts(packed)
    columns = list(map(unpacked, _items(parts.pop("columns"))))
    body = {name: unpacked(part) for name, part in parts.items()}
    names = list(dict.fromkeys(cast("list[str]", args["keys"])))
    page = page_from_body({**body, "columns": columns}, len(names))
    return encode(
        {
            "ids": encoded(page.ids or []),
            "ages": encoded(memoryview(page.ages).cast("d")),  # msgspec encodes infinity as null
            "states": encoded(page.states),
            "columns": {
                name: encoded(column.values())
                for name, column in zip(names, page.columns, strict=True)
            },
        }
    )
