"""Deltas of some fields only: by native code and by Python, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.info_texts import SEQUENCES, TEXTS
from zinfo.info import encoder
from zinfo.info.delta import find_delta
from zinfo.info.encoder import encode_deltas
from zinfo.info.parser import parse
from zinfo.info.selections import MAX_SELECTIONS, Includes, Selections
from zinfo.native.loader import native
from zinfo.wire.codec import pack, unpack

NAMES = sorted({name for text in TEXTS.values() for name in parse(text).fields})

includes = st.none() | st.lists(st.sampled_from(NAMES), max_size=30).map(frozenset)
line = st.one_of(
    st.sampled_from([line for text in TEXTS.values() for line in text.split(b"\n")]),
    st.binary(max_size=12),
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["", "1", "a=1,b=x", "ä", "9" * 30])).map(
        lambda pair: ":".join(pair).encode()
    ),
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return two replies of one server, the second with other values, or other lines."""
    old, new = draw(
        st.sampled_from([pair for one in SEQUENCES for pair in pairwise(one)])
        | st.tuples(st.sampled_from(list(TEXTS.values())), st.just(b""))
    )
    lines = (new or old).split(b"\n")
    for _ in range(draw(st.integers(0, 30))):
        at = draw(st.integers(0, len(lines) - 1))
        name, colon, text = lines[at].partition(b":")
        changed = draw(st.sampled_from([text[:-2] + b"7\r", text[::-1], b"1\r", b"x=1,y=z\r"]))
        lines[at] = name + colon + changed if colon else lines[at]
    for _ in range(draw(st.integers(0, 1))):
        lines[draw(st.integers(0, len(lines) - 1))] = draw(line)
    return old, b"\n".join(lines)


def selections_of(chosen: Sequence[frozenset[str] | None]) -> Selections:
    """Return selections of these names; None for all."""
    every: list[Includes] = [  # names, or a function
        names.__contains__ if names is not None and len(names) % 2 else names for names in chosen
    ]
    selections = Selections(every[0])
    for number, one in enumerate(every[1:], 1):
        selections.set(number, one)
    return selections


@settings(max_examples=examples(400))
@given(pairs(), st.lists(includes, min_size=1, max_size=5), st.integers(0, 31))
def test_native_code_encodes_the_same_bytes_as_python(
    texts: tuple[bytes, bytes], chosen: list[frozenset[str] | None], wanted: int
) -> None:
    old, new = texts
    wanted &= (1 << len(chosen)) - 1
    selections, layout = selections_of(chosen), parse(old).layout
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "native", native)  # other tests replace it
        found, now = encode_deltas(old, new, layout, selections, wanted, 2**40)
    assert now == parse(new).layout
    delta, _ = find_delta(old, new, layout)
    for number, (body, names) in enumerate(zip(found, chosen, strict=True)):
        if not wanted >> number & 1:
            assert body is None
            continue
        fields = delta.set.items()
        expected: dict[str, Any] = {
            "set": {name: value for name, value in fields if names is None or name in names},
            "unset": [name for name in delta.unset if names is None or name in names],
            "base": 2**40,
        }
        assert body is not None
        value: Any = unpack(body)
        # Statistics come first where Python has parsed the lines, and in their place otherwise.
        assert list(value) == list(expected)
        assert pack(sorted(value["set"].items())) == pack(sorted(expected["set"].items()))
        assert (value["unset"], value["base"]) == (expected["unset"], expected["base"])
        assert len(body) == len(pack(expected))


@pytest.fixture
def no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if Python encodes a delta."""
    if native is None:
        pytest.skip("no native part: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")
    monkeypatch.setattr(encoder, "find_delta", None)
    monkeypatch.setattr(encoder, "native", native)


OLD = b"# A\r\na:1\r\nb:x\r\ns:ip=h,port=1\r\n# B\r\ndb0:keys=1\r\nlast:1"


@pytest.mark.parametrize(
    ("new", "changed"),
    [
        (OLD, {}),
        (OLD.replace(b"a:1", b"a:22"), {"a": 22}),
        (OLD.replace(b"last:1", b"last:"), {"last": ""}),
        (OLD.replace(b"port=1", b"port=2"), {"s": {"ip": "h", "port": 2}}),
        (OLD.replace(b"b:x", b"b:\xff"), {"b": "\\xff"}),
        (OLD.replace(b"keys=1", b"keys=10"), {"db0": {"keys": 10}}),
    ],
)
@pytest.mark.usefixtures("no_fallback")
def test_a_changed_value_needs_no_parse(new: bytes, changed: dict[str, Any]) -> None:
    selections = selections_of([None, frozenset(("a", "s", "gone"))])
    bodies, _ = encode_deltas(OLD, new, parse(OLD).layout, selections, 3, 5)
    some = {name: value for name, value in changed.items() if name in ("a", "s")}
    assert bodies == [
        pack({"set": changed, "unset": [], "base": 5}),
        pack({"set": some, "unset": [], "base": 5}),
    ]


@pytest.mark.usefixtures("no_fallback")
def test_a_delta_of_many_fields_has_a_longer_header() -> None:
    for number in (15, 16, 300, 70_000):
        old = b"".join(b"f%d:1\r\n" % at for at in range(number))
        new = old.replace(b":1", b":2")
        (body,), _ = encode_deltas(old, new, parse(old).layout, Selections(), 1, 0)
        changed = {f"f{at}": 2 for at in range(number)}
        assert body == pack({"set": changed, "unset": [], "base": 0})


def test_selections_are_replaced_and_bounded() -> None:
    selections = Selections()
    layout = parse(OLD).layout
    for number in range(1, MAX_SELECTIONS):
        selections.set(number, frozenset(("a",)).__contains__)
    with pytest.raises(ValueError, match="at most 64"):
        selections.set(MAX_SELECTIONS, None)
    new = OLD.replace(b"a:1", b"a:2").replace(b"b:x", b"b:y")
    wanted = 1 << MAX_SELECTIONS - 1
    bodies, _ = encode_deltas(OLD, new, layout, selections, wanted, 0)
    assert bodies[:-1] == [None] * (MAX_SELECTIONS - 1)
    assert unpack(bodies[-1] or b"") == {"set": {"a": 2}, "unset": [], "base": 0}
    selections.set(MAX_SELECTIONS - 1, frozenset(("b",)))
    bodies, _ = encode_deltas(OLD, new, layout, selections, wanted, 0)
    assert unpack(bodies[-1] or b"") == {"set": {"b": "y"}, "unset": [], "base": 0}


@pytest.mark.parametrize(
    "arguments",
    [
        (b"a:1", b"a:2", ("a",), b"\1\1", None, 1, 1, 0),
        (b"a:1", b"a:2", ("a",), b"\1", b"", 1, 1, 0),
        (b"a:1", b"a:2", ("a",), b"\1", None, 2, 1, 0),
        (b"a:1", b"a:2", ("a",), b"\1", None, 1, 0, 0),
        (b"a:1", b"a:2", ("a",), b"\1", None, 1, 65, 0),
        (b"a:1", b"a:2", ("a",), b"\1", None, 1, 1, 2**70),
    ],
)
def test_native_code_refuses_arguments_that_do_not_match(arguments: Any) -> None:
    encode: Any = native and native.encode_deltas
    if native is None:
        pytest.skip("no native part: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")
    with pytest.raises(ValueError, match=r"match|64 bits"):
        encode(*arguments, encoder._encode_rare)


def test_an_error_of_the_function_for_rare_values_is_raised() -> None:
    if native is None:
        pytest.skip("no native part: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")
    encode: Any = native.encode_deltas
    arguments = (b"a:1", b"a:\xff", ("a",), b"\1", None, 1, 1, 0)

    def fails(_name: str, _text: bytes) -> bytes:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        encode(*arguments, fails)
    with pytest.raises(TypeError, match="returns bytes"):
        encode(*arguments, "{}={}".format)
