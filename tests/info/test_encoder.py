"""Encoding of whole replies by native code."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.info_texts import TEXTS
from zinfo.info import encoder
from zinfo.info.encoder import encode_fields, pack_pairs
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


@pytest.mark.skipif(native is None, reason="compares the native part")
@settings(max_examples=examples(400))
@given(st.lists(st.text("0123456789.-e+", max_size=18), min_size=1, max_size=6))
@example(["0", "0.5", "00.5"])
@example(["5."])
@example([".5", "."])
@example(["01", "-1", "-0", "1.2.3", "1e5", ""])
@example(["999999999999999", "1234567890123456", "12345678901234567890", "0.12345678901234"])
@example(["123456789.123456", "0.00000000000001", "99999999999999.9", "1-", "1 "])
def test_native_code_reads_the_numbers_of_a_map_as_python_does(numbers: list[str]) -> None:
    pairs = ",".join(f"n{number}={text}" for number, text in enumerate(numbers))
    raw = f"cmdstat_a:{pairs}\r\n".encode()
    info = parse(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "native", native)  # other tests replace it
        assert encode_fields(raw, info.layout)[0] == pack_pairs(info.fields)


def test_a_module_in_the_line_of_a_header_changes_no_layout() -> None:
    before, after = b"# A\r\na:1\r\n", b"module:name=x\r\na:1\r\n"
    layout = parse(before).layout
    assert cached_layout(after) in (layout, None)
    fields, found = encode_fields(after, layout)
    assert fields.as_map() == pack(parse(after).fields)
    assert found == parse(after).layout == layout
