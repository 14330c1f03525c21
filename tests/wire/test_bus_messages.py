"""Topics and headers of bus messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.errors import (
    ProtocolError,
)
from zinfo.wire import bus_messages, codec


@given(st.text())
def test_any_shard_id_can_be_parsed_from_its_topic(shard_id: str) -> None:
    raw = bus_messages.topic("info", shard_id)
    assert raw.count(b"/") == 3
    assert bus_messages.parse_topic(raw) == ("info", shard_id)


@given(st.text(), st.text())
def test_a_subscription_to_one_shard_never_matches_another(one: str, other: str) -> None:
    begins = bus_messages.topic("info", other).startswith(bus_messages.topic("info", one))
    assert begins == (one == other)


def test_plain_ids_stay_readable_in_topics() -> None:
    assert bus_messages.topic("info", "10.0.0.1:6379") == b"z1/info/10.0.0.1:6379/"
    assert bus_messages.topic("delta", "/run/redis.sock") == b"z1/delta/%2Frun%2Fredis.sock/"
    assert bus_messages.topic("event") == b"z1/event/"


@pytest.mark.parametrize("raw", [b"", b"z1", b"z2/info/a/", b"z1/info/a", b"z1/info/a/b/", b"\xff"])
def test_a_topic_that_is_not_valid_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        bus_messages.parse_topic(raw)


def test_the_fence_has_a_topic_of_its_own() -> None:
    assert bus_messages.parse_topic(bus_messages.fence_topic("a b")) == ("fence", "a b")


def test_a_header_reads_back_and_later_elements_are_ignored() -> None:
    raw = codec.pack([1, "node", 7, 42, 3, "from the future"])
    assert bus_messages.unpack_header(raw) == (1, "node", 7, 42, 3.0)


@pytest.mark.parametrize(
    "value", [[], [2, "n", 1, 1, 1.0], [1, 2, 1, 1, 1.0], [1, "n", True, 1, 1.0], "text", {"a": 1}]
)
def test_a_header_that_is_not_valid_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError):
        bus_messages.unpack_header(codec.pack(value))
