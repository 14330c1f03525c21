"""Encoding of whole replies by native code."""

from __future__ import annotations

import pytest

from tests.info_texts import TEXTS
from zinfo.info import encoder
from zinfo.info.encoder import encode_fields
from zinfo.info.parser import cached_layout, parse
from zinfo.native.loader import native
from zinfo.wire.codec import pack

MODULES = [
    TEXTS["redis-8.2.3-loaded"],
    TEXTS["valkey-9.1.2-idle"],
    b"a:1\r\nmodule:name=x\r\nb:2\r\nmodule:name=y,ver=2\r\nmodule:\r\nmodule:\xff\r\n",
    b"module:1",
    b"module:" + b"x" * 10_000,
    b"# module:1\r\nmodules:2\r\nmodule:name=a\r\n",
]


@pytest.mark.parametrize("raw", MODULES)
def test_lines_of_modules_need_no_parse(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    if native is None:
        pytest.skip("no native part: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")
    info = parse(raw)
    monkeypatch.setattr(encoder, "native", native)
    monkeypatch.setattr(encoder, "parse", None)
    for layout in (info.layout, None):
        fields, found = encode_fields(raw, layout)
        assert fields.as_map() == pack(info.fields)
        assert found == info.layout


def test_a_module_in_the_line_of_a_header_changes_no_layout() -> None:
    before, after = b"# A\r\na:1\r\n", b"module:name=x\r\na:1\r\n"
    layout = parse(before).layout
    assert cached_layout(after) in (layout, None)
    fields, found = encode_fields(after, layout)
    assert fields.as_map() == pack(parse(after).fields)
    assert found == parse(after).layout == layout
