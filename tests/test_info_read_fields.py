"""Fields read by name, without a parse, are what a parse gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo import info_lookup
from zinfo.info import Value, parse
from zinfo.info_lookup import FieldReader
from zinfo.info_native import native

TEXTS = sorted(Path(__file__).with_name("data").joinpath("info").glob("*.txt"))
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
    """The fields, by the native part and by Python, which must agree."""
    found = []
    for twin in dict.fromkeys((native, None)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(info_lookup, "native", twin)
            found.append(FieldReader(names).read(raw))
    assert all(one == found[0] for one in found)
    return found[0]


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
    st.sampled_from([b"\r\n", b"\n"]),
    st.lists(st.sampled_from(["a", "b", "c", "run_id", "db0", "none", "", "# a", "a\n"])),
)
def test_any_reply_gives_what_a_parse_gives_or_nothing(
    lines: list[bytes], end: bytes, names: list[str]
) -> None:
    raw = end.join(lines)
    fields = parse(raw).fields
    found = read_fields(raw, names)
    if found is not None:
        assert found == {name: fields[name] for name in names if name in fields}


def test_repeated_fields_lists_and_statistics_are_left_to_the_parse() -> None:
    raw = b"a:1\r\na:2\r\nmodule:name=x\r\ncmdstat_get:calls=1\r\n"
    for name in ("a", "module", "cmdstat_get"):
        assert read_fields(raw, [name]) is None
