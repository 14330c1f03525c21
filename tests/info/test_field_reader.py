"""Fields read by name equal those of a whole parse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.info import field_reader
from zinfo.info.field_reader import FieldReader
from zinfo.info.parser import Value, parse
from zinfo.native.loader import native
from zinfo.wire.codec import pack_fields

TEXTS = sorted((Path(__file__).parents[1] / "data").joinpath("info").glob("*.txt"))
LINES = [
    b"a:1",
    b"b:x,y",
    b"c:k=1,l=2",
    b"a:2",
    b"# a:3",
    b"run_id:00",
    b"",
    b"db0 x=1",
    b"a",
    b":1",
]


def read_fields(raw: bytes, names: list[str]) -> dict[str, Value] | None:
    """Return the fields as native code and Python read them; both must agree."""
    found = []
    for twin in dict.fromkeys((native, None)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(field_reader, "native", twin)
            found.append(FieldReader(names).read(raw))
    assert all(one == found[0] for one in found)
    return found[0]


def with_fillers(lines: list[bytes], lengths: list[int]) -> list[bytes]:
    """Insert lines of these lengths: native code compares whole blocks."""
    mixed = list(lines)
    for number, length in enumerate(lengths):
        mixed.insert(2 * number, b"f" * length)
    return mixed


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_each_field_of_a_real_reply_is_read_as_parsed_or_left_to_the_parse(path: Path) -> None:
    raw = path.read_bytes()
    fields = parse(raw).fields
    by_name = 0
    for name, value in fields.items():
        found = read_fields(raw, [name])
        if found is not None:
            by_name += 1
            assert found == {name: value}
            assert type(found[name]) is type(value)
    assert by_name > len(fields) / 4 or "handmade" in path.stem


@given(
    st.lists(st.sampled_from(LINES), max_size=8),
    st.lists(st.integers(0, 150), max_size=4),
    st.sampled_from([b"\r\n", b"\n"]),
    st.lists(st.sampled_from(["a", "b", "c", "run_id", "db0", "none", "", "# a", "a\n"])),
)
def test_any_reply_is_read_as_parsed_or_left_to_the_parse(
    lines: list[bytes], fillers: list[int], end: bytes, names: list[str]
) -> None:
    raw = end.join(with_fillers(lines, fillers))
    fields = parse(raw).fields
    found = read_fields(raw, names)
    if found is not None:
        assert found == {name: fields[name] for name in names if name in fields}


def test_repeated_fields_lists_and_statistics_are_left_to_the_parse() -> None:
    raw = b"a:1\r\na:2\r\nmodule:name=x\r\ncmdstat_get:calls=1\r\n"
    for name in ("a", "module", "cmdstat_get"):
        assert read_fields(raw, [name]) is None


# The tests below compare the native encoder with Python's. Without the native part, `encode` always
# returns None; tests of the query endpoint cover that case.
needs_native = pytest.mark.skipif(
    native is None,
    reason="of the native part itself: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON",
)


def encoded(raw: bytes, names: list[str], more: Mapping[str, object]) -> bytes | None:
    return FieldReader(names).encode(raw, more)


@needs_native
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_each_field_of_a_real_reply_is_encoded_as_packed_or_left_to_python(path: Path) -> None:
    raw = path.read_bytes()
    names = list(parse(raw).fields)
    more = {"meta": {"shard_identifier": "é1", "info_age": 0.25, "revision": 2**40, "time": -3}}
    done = 0
    for name, second in zip(names, [*names[1:], "none"], strict=True):
        asked = list(dict.fromkeys([name, second]))
        found = encoded(raw, asked, more)
        if found is not None:
            done += 1
            fields = read_fields(raw, asked)
            assert fields is not None
            assert found == pack_fields({**fields, **more})
    assert done > len(names) / 5 or "handmade" in path.stem


@needs_native
@given(
    st.lists(
        st.sampled_from([*LINES, b"d:-0.5", b"e:\xff", b"f:18446744073709551615", b"g:007"]),
        max_size=8,
    ),
    st.lists(st.integers(0, 150), max_size=4),
    st.sampled_from([b"\r\n", b"\n"]),
    st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=5),
    st.dictionaries(
        st.text(max_size=3).map("t".__add__),
        st.integers()
        | st.floats()
        | st.text()
        | st.booleans()
        | st.none()
        | st.dictionaries(st.text(max_size=2), st.integers(-(2**64), 2**65) | st.floats()),
        max_size=16,
    ),
)
def test_any_entry_is_encoded_as_packed_or_left_to_python(
    lines: list[bytes],
    fillers: list[int],
    end: bytes,
    names: list[str],
    more: dict[str, object],
) -> None:
    raw = end.join(with_fillers(lines, fillers))
    found = encoded(raw, names, more)
    if found is not None:
        fields = parse(raw).fields
        assert found == pack_fields(
            {**{name: fields[name] for name in names if name in fields}, **more}
        )


@needs_native
@pytest.mark.parametrize(
    "more",
    [
        {"t": True},
        {"t": None},
        {"t": 2**64},
        {"t": {"u": {"v": {}}}},
        {"t": "\ud800"},
        {"\ud800": 1},
        {str(number): number for number in range(15)},
        {"t": {str(number): number for number in range(16)}},
    ],
    ids=str,
)
def test_an_entry_that_is_not_plain_is_left_to_python(more: dict[str, object]) -> None:
    assert encoded(b"a:1", ["a"], more) is None
    assert encoded(b"a:1", ["a"], {"t": "plain"}) == b"\x82\xa1a\x01\xa1t\xa5plain"


@needs_native
@pytest.mark.parametrize(
    "arguments",
    [
        (b"a:1", (b"a",), b"\1"),
        ("a:1", (b"a",), b"\1", {}),
        (b"a:1", [b"a"], b"\1", {}),
        (b"a:1", ("a",), b"\1", {}),
        (b"a:1", (b"a",), b"", {}),
        (b"a:1", (b"a",), b"\1", None),
    ],
    ids=str,
)
def test_the_native_encoder_raises_on_arguments_of_other_types(arguments: tuple[Any, ...]) -> None:
    assert native is not None
    with pytest.raises(TypeError):
        native.encode_entry(*arguments)
