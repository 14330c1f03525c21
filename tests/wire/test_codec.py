"""msgpack: headers of maps and arrays, text that is not valid Unicode, and refused values."""

from __future__ import annotations

import msgpack
import pytest

from zinfo.errors import (
    ProtocolError,
)
from zinfo.wire import codec


@pytest.mark.parametrize("count", [0, 15, 16, 65535, 65536])
def test_map_and_array_headers_are_what_msgpack_writes(count: int) -> None:
    assert msgpack.packb([None] * count)[: -count or None] == codec.array_header(count)
    packed = msgpack.packb(dict.fromkeys(range(count)))
    assert packed.startswith(codec.map_header(count))


def test_text_that_is_not_valid_unicode_is_escaped() -> None:
    assert codec.unpack(codec.pack("a\udcff")) == "a\\udcff"


def test_a_value_that_msgpack_cannot_represent_is_refused() -> None:
    with pytest.raises(ProtocolError):
        codec.pack(object())
