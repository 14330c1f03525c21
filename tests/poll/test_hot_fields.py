"""The fields that polling needs, found near their last position."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.poll.hot_fields import HotFields
from zinfo.shards.snapshot import Snapshot, server_version

TEXTS = sorted((Path(__file__).parents[1] / "data").joinpath("info").glob("*.txt"))


def snapshot(raw: bytes) -> Snapshot:
    return Snapshot(raw, 1, 0.0, 0.0)


def by_parsing(raw: bytes) -> tuple[object, ...]:
    found = snapshot(raw)
    ops = found.text(b"instantaneous_ops_per_sec")
    try:
        number = float(ops or "")
    except ValueError:
        number = math.nan
    steady = (found.text(name) for name in (b"run_id", b"role", b"loading"))
    return (*steady, repr(number), server_version(found))


def values(hot_fields: HotFields) -> tuple[object, ...]:
    steady = hot_fields.run_id, hot_fields.role, hot_fields.loading
    return (*steady, repr(float(hot_fields.ops)), hot_fields.version)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_changing_real_replies_have_the_same_values_as_when_parsed(path: Path) -> None:
    dice = random.Random(path.stem)
    hot_fields = HotFields()
    raw = path.read_bytes()
    for _ in range(200):
        assert hot_fields.read(snapshot(raw)) in (True, False)
        assert values(hot_fields) == by_parsing(raw)
        lines = raw.split(b"\r\n")
        number = dice.randrange(len(lines))
        name, colon, value = lines[number].partition(b":")
        if colon:
            lines[number] = name + b":" + value[: dice.randrange(8)] + b"7" * dice.randrange(12)
        raw = b"\r\n".join(lines)


def test_an_unchanged_reply_is_recognised_by_comparison_and_a_change_is_reported() -> None:
    raw = (
        b"# S\r\nredis_version:7.0\r\nrun_id:abc\r\nloading:0\r\nrole:master\r\n"
        b"instantaneous_ops_per_sec:5\r\n"
    )
    hot_fields = HotFields()
    assert hot_fields.read(snapshot(raw)) is True
    assert hot_fields.read(snapshot(raw.replace(b"sec:5", b"sec:77"))) is False
    assert hot_fields.ops == 77
    assert hot_fields.read(snapshot(raw.replace(b"# S", b"# S longer"))) is False
    for changed in (b"redis_version:7.1", b"run_id:abd", b"loading:1", b"role:slave"):
        name = changed.partition(b":")[0]
        at = raw.index(name)
        other = raw[:at] + changed + raw[raw.index(b"\r\n", at) :]
        assert hot_fields.read(snapshot(other)) is True
        assert values(hot_fields) == by_parsing(other)
        assert hot_fields.read(snapshot(raw)) is True


def test_a_field_that_was_absent_is_noticed_at_any_position() -> None:
    rest = b"# Server\r\nredis_version:7.0\r\nrole:master\r\nloading:0\r\n"
    hot_fields = HotFields()
    assert [hot_fields.read(snapshot(rest)) for _ in range(3)] == [True] * 3  # no run_id
    for raw in (b"run_id:abc\r\n" + rest, rest + b"run_id:abd\r\n", rest + b"run_id:abe"):
        assert hot_fields.read(snapshot(raw)) is True
        assert values(hot_fields) == by_parsing(raw)
    without_loading = rest.replace(b"loading:0", b"run_id:abc")
    hot_fields.read(snapshot(without_loading))
    assert hot_fields.read(snapshot(without_loading)) is False
    assert hot_fields.read(snapshot(without_loading + b"loading:1\r\n")) is True
    assert hot_fields.loading == "1"


def test_lines_that_end_in_lf_are_compared_too() -> None:
    raw = b"# S\nredis_version:7.0\nrun_id:abc\nloading:0\nrole:master\n"
    hot_fields = HotFields()
    assert [hot_fields.read(snapshot(raw)) for _ in range(2)] == [True, False]
    assert hot_fields.read(snapshot(raw.replace(b"7.0", b"7.1"))) is True


@given(
    st.lists(
        st.sampled_from(
            [b"run_id:a", b"role:", b"loading:0", b"x:1", b"", b"role", b"redis_version:1"]
        )
    )
)
def test_any_text_has_the_same_values_as_when_parsed(lines: list[bytes]) -> None:
    hot_fields = HotFields()
    for raw in (b"\r\n".join(lines) + b"\r\n", b"\n".join(lines), b"\r\n".join(lines[1:])):
        if raw:
            hot_fields.read(snapshot(raw))
            assert values(hot_fields) == by_parsing(raw)


def test_parsed_fields_can_be_read_too() -> None:
    hot_fields = HotFields()
    fields = {"role": "master", "instantaneous_ops_per_sec": 4, "run_id": "x"}
    assert hot_fields.read(Snapshot.from_fields(fields, 1, 0.0, 0.0)) is True
    assert values(hot_fields) == ("x", "master", None, "4.0", None)


def test_shards_share_equal_values_and_a_bounded_number_of_them() -> None:
    raw = b"# Server\r\nrun_id:%b\r\nrole:%b\r\nloading:0\r\ninstantaneous_ops_per_sec:1\r\n"
    first, second = HotFields(), HotFields()
    first.read(Snapshot(raw % (b"a" * 40, b"master"), 1, 0.0, 0.0))
    second.read(Snapshot(raw % (b"b" * 40, b"master"), 1, 0.0, 0.0))
    assert first.role is second.role

    before = sys.getallocatedblocks()
    for number in range(2000):
        first.read(Snapshot(raw % (b"c" * 40, b"r%d" % number), number, 0.0, 0.0))
        assert first.role == f"r{number}"
    assert sys.getallocatedblocks() - before < 1000
