"""Replies of Sentinels are read, whatever they contain."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.discovery.nested_reply import Reply
from zinfo.discovery.sources.sentinel_replies import Instance, read_instances, read_run_id
from zinfo.errors import SourceError

RUN_ID = "58e6829214a2660d14a9ad616df59db69e7bba63"


def entry(**fields: str) -> list[Reply]:
    """An entry of a reply; an underscore in a name is a hyphen."""
    pairs = ((name.replace("_", "-"), value) for name, value in fields.items())
    return [text.encode() for pair in pairs for text in pair]


def read(*entries: Reply) -> list[Instance]:
    return read_instances(list(entries), lambda: None)


def test_a_server_is_read_from_its_fields() -> None:
    full = entry(
        name="mymaster",
        ip="10.0.0.1",
        port="6379",
        runid=RUN_ID,
        flags="master,s_down,disconnected",
        config_epoch="7",
        num_slaves="2",
    )
    assert read(full) == [Instance("mymaster", "10.0.0.1", 6379, RUN_ID, 7, True)]
    named = entry(name="x", ip="redis-0.example.test", port="6379", num_slaves="0")
    assert read(named) == [Instance("x", "redis-0.example.test", 6379, "", 0, False)]


@pytest.mark.parametrize(
    "one",
    [
        None,
        7,
        b"name",
        [],
        [b"name"],
        [b"name", b"x", b"ip"],
        [b"name", [b"x"], b"ip", b"10.0.0.1", b"port", b"1"],
        entry(name="x" * 300, ip="10.0.0.1", port="1"),
    ],
)
def test_an_entry_that_describes_no_server_does_not_discard_the_others(one: Reply) -> None:
    good = entry(name="x", ip="10.0.0.1", port="1")
    assert read(one, good) == [Instance("x", "10.0.0.1", 1)]


@pytest.mark.parametrize("port", ["", "-1", "1e3", "123456", "٣", " 1", "0x1"])
def test_a_port_that_is_no_number_is_zero(port: str) -> None:
    assert [one.port for one in read(entry(name="x", ip="10.0.0.1", port=port))] == [0]


def test_there_is_a_pause_after_each_entry() -> None:
    pauses: list[None] = []
    read_instances([None] * 100, lambda: pauses.append(None))
    assert len(pauses) == 100


def test_an_id_has_forty_hexadecimal_digits() -> None:
    assert read_run_id(RUN_ID.encode()) == RUN_ID
    assert [read_run_id(one) for one in (b"", b"\xff" * 40, RUN_ID.encode() * 2, None, 7)] == [
        ""
    ] * 5


nested: Any = st.recursive(
    st.none() | st.integers() | st.binary(max_size=20) | st.sampled_from([b"name", b"ip", b"port"]),
    lambda inner: st.lists(inner, max_size=8),
)


@settings(max_examples=examples(1000))
@given(nested)
def test_no_reply_raises_another_error(reply: Reply) -> None:
    with contextlib.suppress(SourceError):
        read_instances(reply, lambda: None)
    read_run_id(reply)
