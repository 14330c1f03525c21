"""Every way to read a reply gives the fields of a whole parse, natively and in Python.

The replies are generated, with many of the bytes that lines, names and values may end at.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.info_texts import exact, whole_delta
from zinfo.client.updates import Delta
from zinfo.info import bounds, encoder, field_reader, lines, parser
from zinfo.info.encoder import encode_fields
from zinfo.info.field_reader import FieldReader
from zinfo.info.lines import count_bad_lines, has_fields
from zinfo.info.parser import Value, parse
from zinfo.info.sections import select_sections
from zinfo.info.text import read_text
from zinfo.native.loader import native
from zinfo.poll.hot_fields import HotFields
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.codec import pack, unpack

NATIVE_IN: tuple[ModuleType, ...] = (bounds, encoder, field_reader, lines, parser)
"""Modules that call native code where there is one."""

HOT = ("run_id", "role", "loading")
OPS = "instantaneous_ops_per_sec"
NAMES = [
    *(*HOT, OPS, "a", "b", "é", "db0", "module", "redis_version", "slave0", "x_id", "errorstat_x"),
    *("cmdstat_get", "cmdstat_a:b", "cmdstat_", "latency_percentiles_usec_get"),
]
VALUES = [
    *("", "0", "1", "18", "-1", "-0", "1.5", "-0.0", "1e+06", "1.5e+06", "7e12", "inf", "nan"),
    *("007", "18446744073709551615", "18446744073709551616", "0.1234567890123456789", "master"),
    *("calls=1,usec=2", "calls=1, usec=2", "ip=10,port=1", "x=1,x=2", "1,2", "a,b", "C=US, O=x"),
    *("p50=1e+06,p99=1.5", "name=a,ver=1,x_version=2", "/d=1,x", "k=v,flag", "a=", "=", ">=2=3"),
]
ODD = [*b"\r\0\t :#=,\x0b\x0c\x1c\xff\x85-.+e09a", "é".encode(), b"\r\r", b"\\xff"]

noise = st.lists(st.sampled_from(ODD), max_size=4).map(
    lambda parts: b"".join(part if isinstance(part, bytes) else bytes([part]) for part in parts)
)
rarely = st.one_of(st.just(b""), st.just(b""), st.just(b""), noise)
names = st.builds(bytes.__add__, st.sampled_from(NAMES).map(str.encode), rarely)
values = st.builds(
    lambda before, value, after: before + value + after,
    rarely,
    st.sampled_from(VALUES).map(str.encode),
    rarely,
)
headers = st.sampled_from(
    [b"# A", b"# Two Words", b"#", b"# a comment", b"# T: 1", b"", b" ", b"?"]
)
ends = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\n", b"\r\r\n", b"\n\r\n"])


@st.composite
def pairs_of_replies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A reply and the next one, most of whose lines are fields of the same names."""
    end = draw(ends)
    old, new = [], []
    for _ in range(draw(st.integers(0, 7))):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            line = draw(headers | noise)
            old.append(line)
            new.append(line if draw(st.booleans()) else draw(headers | noise))
            continue
        name, value = draw(names), draw(values)
        old.append(name + b":" + value)
        new.append(old[-1] if kind == 1 else name + b":" + draw(values))
        if kind == 2:
            (old, new)[draw(st.integers(0, 1))].pop()
    last = draw(st.sampled_from([b"", end, end, b"\r"]))
    first = draw(st.sampled_from([b"# A" + end, b"# A" + end, b""]))
    return first + end.join(old) + last, first + end.join(new) + last


@contextlib.contextmanager
def implementation(twin: Any) -> Iterator[None]:
    """Use native code, or Python."""
    with pytest.MonkeyPatch.context() as patch:
        for module in NATIVE_IN:
            patch.setattr(module, "native", twin)
        yield


def same(fields: object) -> str:
    """Return a form to compare: types count, the order of the fields does not."""
    assert isinstance(fields, dict)
    return exact(sorted(fields.items()))


def texts_of(raw: bytes, name: str) -> list[str]:
    """Return what follows the colon in the lines of a field whose name has no colon."""
    start = name.encode() + b":"
    return [
        read_text(line[len(start) :].removesuffix(b"\r"))
        for line in raw.split(b"\n")
        if line.startswith(start)
    ]


def check_encoded(old: bytes, new: bytes) -> None:
    """What the bus has: all fields, and the delta, which a Mirror applies to its copy."""
    before, after = parse(old), parse(new)
    for layout in (None, before.layout, after.layout):
        fields, found = encode_fields(new, layout)
        assert fields.as_map() == pack(after.fields)
        assert found == after.layout
    published, layout = whole_delta(old, new, before.layout)
    delta = Delta("a", 2, 1, 0.0, dict(published.set), tuple(published.unset))
    copy: Any = unpack(pack(before.fields))
    assert same(delta.applied_to(copy)) == same(after.fields)
    assert layout == after.layout


def check_read_by_name(raw: bytes, fields: dict[str, Value]) -> None:
    """What a query for some fields returns."""
    for asked in ([*HOT, "a", "db0"], ["slave0", OPS], ["b", "é"], ["redis_version"], ["x_id"]):
        reader = FieldReader(asked)
        expected = {name: fields[name] for name in asked if name in fields}
        found = reader.read(raw)
        assert found is None or exact(found) == exact(expected)
        entry = reader.encode(raw, {"meta": {}})
        assert entry is None or entry == pack({**expected, "meta": {}})
        if reader.encodes_many:
            shard = SimpleNamespace(
                snapshot=SimpleNamespace(raw=raw, at=0.0, revision=1, time=2.0),
                state=SimpleNamespace(_value_="up"),
            )
            packed, number, _ = reader.encode_many(
                ["i"], [shard], now=0.0, oldest=0.0, most=1, room=1 << 20
            )
            if number:
                meta = {"shard_identifier": "i", "info_age": 0.0, "state": "up", "revision": 1}
                assert packed == pack({**expected, "meta": {**meta, "time": 2.0}})


def check_hot_fields(old: bytes, new: bytes) -> None:
    """What the poller reads of each reply."""
    hot = HotFields()
    for raw in (old, new):
        hot.read(Snapshot(raw, 1, 0.0, 0.0))
        for name in HOT:
            texts: list[str] | list[None] = texts_of(raw, name) or [None]
            assert getattr(hot, name) in texts
        number = parse(raw).fields.get(OPS)
        if isinstance(number, (int, float)) and not raw.startswith(OPS.encode()):
            assert math.isclose(hot.ops, number)


def check(old: bytes, new: bytes) -> None:
    info = parse(new)
    for twin in dict.fromkeys((native, None)):
        with implementation(twin):
            again = parse(new)
            assert exact((again.fields, again.sections)) == exact((info.fields, info.sections))
            check_encoded(old, new)
            check_read_by_name(new, info.fields)
            assert has_fields(new) == bool(info.fields)
            assert count_bad_lines(new) == sum(map(is_bad, new.split(b"\n"))) == info.bad_lines
    assert same(select_sections(info, info.sections)) == same(info.fields)
    check_hot_fields(old, new)


def is_bad(line: bytes) -> bool:
    """Whether a line is neither a field nor a header, a comment or blank, by the documentation."""
    name, colon, _ = line.partition(b":")
    return not line.startswith(b"#") and bool(line.strip()) and not (colon and name)


@given(pairs_of_replies())
@example((b"# Server\r\nx:1\r\n", b"# Server\r\nx:2\r\r\n"))
@example((b"a:1\r\ncmdstat_a:calls=1\r\n", b"a:1\r\r\ncmdstat_a:calls=1\r\r\n"))
@example(
    (b"#\nrole:a\r\nrun_id:\xff\r\nloading:0\r\n", b"#\nrole:a\r\nrun_id:\xfe\r\nloading:0\r\n")
)
@example((b"a:1e+06\n", b"a:-1e+06\n"))
@example((b"a:calls=1e+06\ndb0:k=-0\n", b"a:calls=2e+06\ndb0:k=1e+06\n"))
@settings(derandomize=True, deadline=None, max_examples=examples(1500))
def test_each_way_to_read_a_reply_gives_the_fields_of_a_parse(replies: tuple[bytes, bytes]) -> None:
    check(*replies)


@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(derandomize=True, deadline=None, max_examples=examples(300))
def test_each_way_to_read_any_bytes_gives_the_fields_of_a_parse(old: bytes, new: bytes) -> None:
    check(old, new)


@pytest.mark.parametrize("end", ["", "\r\n"])
@pytest.mark.parametrize("name", ["a", "db0", "cmdstat_get", "x_id", "module", "run_id"])
def test_each_way_to_read_a_value_gives_that_of_a_parse(name: str, end: str) -> None:
    for before, after in pairwise([*VALUES, VALUES[0]]):
        check(f"{name}:{before}{end}".encode(), f"{name}:{after}{end}".encode())
