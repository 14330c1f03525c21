"""For any reply: nothing raises, all values can be packed, and deltas agree with whole parses."""

from __future__ import annotations

import json
import math
import random
import re
import tracemalloc
from itertools import pairwise

import msgpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.info_texts import SEQUENCES, TEXTS, apply, exact, form, handmade, whole_delta
from zinfo.info import encoder
from zinfo.info.delta import diff, find_delta
from zinfo.info.encoder import encode_fields
from zinfo.info.field_reader import find_field
from zinfo.info.lines import has_fields
from zinfo.info.parser import Layout, parse
from zinfo.info.sections import section_fields
from zinfo.info.text import MAX_KEY_LENGTH, read_text
from zinfo.native.loader import native
from zinfo.wire.codec import pack

REPEATABLE = settings(derandomize=True, deadline=None)
"""The same examples in each run, without a time limit for an example."""

NAMES = [
    "",
    "a",
    "b",
    "role",
    "db0",
    "db1",
    "module",
    "redis_version",
    "cmdstat_get",
    "cmdstat_a",
    "errorstat_ERR",
    "slave0",
    "os",
    "#x",
    "é",
    "latency_percentiles_usec_get",
]
VALUES = [
    "",
    " 1",
    "0",
    "1",
    "1.0",
    "-0.0",
    "nan",
    "007",
    "ok",
    "x=1",
    "x=1,y=2",
    "x=1,x=2",
    "1,2",
    ",",
    "=",
    "x",
    "b:calls=1",
    ":calls=1",
    "calls=1",
    "1.0e999",
    "ip=1",
    "x,y=",
    "5555555555555555555555555",
]
ODD_LINES = [b"", b"\r", b"# Server", b"# Stats", b"# a comment", b"#", b"words", b"\xff:1", b"\0"]

fields = st.builds("{}:{}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)).map(str.encode)
lines = st.one_of(fields, fields, st.sampled_from(ODD_LINES), st.binary(max_size=12))
small_texts = st.builds(bytes.join, st.sampled_from([b"\n", b"\r\n"]), st.lists(lines, max_size=12))
sequences = st.lists(small_texts, min_size=2, max_size=5)


def mutate(raw: bytes, rng: random.Random, other: bytes) -> bytes:
    """Return a later reply of the same server, or a corrupted one."""
    what = rng.randrange(10)
    if what <= 4:  # numbers change, and get longer
        share = rng.choice([0.02, 0.1, 0.5])
        return re.sub(
            rb"(?<=[:=.])\d+(?=[\r\n,.])",
            lambda number: b"%d" % rng.randrange(10**9) if rng.random() < share else number[0],
            raw,
        )
    held = raw.split(b"\n")
    at, to = rng.randrange(len(held)), rng.randrange(len(held))
    if what == 5:
        del held[min(at, to) : min(at, to) + rng.randrange(5)]
    elif what == 6:
        held.insert(to, held[at])
    elif what == 7:
        held[at], held[to] = held[to], held[at]
    elif what == 8:
        held[at:at] = rng.sample(other.split(b"\n"), 3)
    else:
        flipped = bytearray(raw)
        for _ in range(rng.randrange(1, 4)):
            flipped[rng.randrange(len(flipped))] = rng.choice(b":=,#\r\n\x00\xff 1a.-")
        return bytes(flipped)
    return b"\n".join(held)


def check_change(old: bytes, new: bytes, layout: Layout) -> Layout:
    """Encode the delta and the whole reply; compare both with a new parse."""
    before, fresh = parse(old), parse(new)
    delta, now = find_delta(old, new, layout)
    assert now == fresh.layout
    least = diff(before.fields, fresh.fields)
    assert delta.unset == least.unset
    assert exact({name: delta.set[name] for name in least.set}) == exact(least.set)
    assert exact(sorted(apply(delta, before.fields).items())) == exact(sorted(fresh.fields.items()))
    for twin in (native, None):
        vars(encoder)["native"] = twin
        fields, now = encode_fields(new, layout)
        assert fields.as_map() == pack(fresh.fields)
        assert now == fresh.layout
        found, now = whole_delta(old, new, layout)
        assert exact(sorted(found.set.items())) == exact(sorted(delta.set.items()))
        assert (found.unset, now) == (delta.unset, fresh.layout)
    return fresh.layout


def check_reply(raw: bytes) -> None:
    """Check the invariants of every reply."""
    info = parse(raw)
    assert form(parse(raw)) == form(info)  # uses the caches of the first parse
    assert json.loads(json.dumps(info.fields, allow_nan=False)) == info.fields
    assert msgpack.unpackb(msgpack.packb(info.fields)) == info.fields
    assert has_fields(raw) == bool(info.fields)
    held = [name for names in info.sections.values() for name in names]
    assert set(held) == set(info.fields)
    assert section_fields(info, info.sections) == list(dict.fromkeys(held))
    for name in list(info.fields)[:20]:
        found = find_field(raw, name.encode())
        if "\\x" not in name:
            assert found is not None
            assert found in [
                line[len(name.encode()) + 1 :].removesuffix(b"\r")
                for line in raw.split(b"\n")
                if line.startswith(name.encode() + b":")
            ]


@given(st.binary(max_size=200))
@example(b"a:" + b"9" * 5000)
@example(b"x=" * 3000 + b":" + b"y=1," * 3000)
@example(handmade("odd-lines"))
@settings(REPEATABLE)
def test_no_bytes_raise_and_every_value_can_be_packed(raw: bytes) -> None:
    check_reply(raw)


@given(small_texts)
@settings(REPEATABLE)
def test_no_lines_raise_and_every_value_can_be_packed(raw: bytes) -> None:
    check_reply(raw)


def test_every_value_of_a_stored_reply_can_be_packed() -> None:
    for raw in TEXTS.values():
        check_reply(raw)


@given(sequences)
@settings(REPEATABLE, max_examples=examples(400))
def test_the_previous_reply_and_the_delta_give_the_next_for_small_texts(texts: list[bytes]) -> None:
    layout = parse(texts[0]).layout
    for old, new in pairwise(texts):
        layout = check_change(old, new, layout)


# A seed instead of st.randoms(): mutations of a long text need more values than hypothesis records.
@given(st.integers(0, 2**32), st.sampled_from(sorted(TEXTS)))
@settings(REPEATABLE, max_examples=examples(60))
def test_the_previous_reply_and_the_delta_give_the_next_for_real_texts(
    seed: int, start: str
) -> None:
    rng, raw = random.Random(seed), TEXTS[start]
    layout = parse(raw).layout
    for _ in range(8):
        old = raw
        if rng.random() < 0.1:
            raw = rng.choice(sorted(TEXTS.values()))
        raw = mutate(raw or TEXTS[start], rng, rng.choice(rng.choice(SEQUENCES)))
        layout = check_change(old, raw, layout)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**64 - 1))
@settings(REPEATABLE)
def test_numbers_that_c_prints_become_those_numbers(fraction: float, whole: int) -> None:
    fixed = f"{fraction:f}"
    read = parse(f"f:{fixed}\r\ni:{whole}\r\n".encode()).fields
    assert read == {"f": float(fixed), "i": whole}
    assert isinstance(read["f"], float)
    assert math.copysign(1, read["f"]) == math.copysign(1, fraction)
    assert type(read["i"]) is int


def test_only_short_fields_are_cached() -> None:
    long = "x" * 100_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(100):
            for line in (
                f"listener{number}:name=tcp,bind={long}",
                f"slave{long}{number}:ip=a,port=1",
            ):
                encode_fields(f"# Server\r\n{line}\r\n".encode(), None)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2_000_000


@REPEATABLE
@given(
    st.lists(
        st.sampled_from([b"\\", b"udc80", b"x", "é€😀".encode(), b"\xff", b"\xe2\x82", b"\xed\xa0"])
    )
)
@example([b"\xff" * 1000])
def test_bytes_that_are_not_utf8_are_escaped_the_same_in_short_and_long_text(
    parts: list[bytes],
) -> None:
    raw = b"".join(parts)
    for text in (raw, raw + b"y" * MAX_KEY_LENGTH, b"y" * MAX_KEY_LENGTH + raw):
        assert read_text(text) == text.decode("utf-8", "backslashreplace")
