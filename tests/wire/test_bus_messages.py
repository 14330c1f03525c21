"""Topics and headers of bus messages."""

from __future__ import annotations

import msgpack
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


@given(st.sets(st.text(min_size=1, max_size=64), min_size=1, max_size=64))
def test_the_names_of_fields_can_be_read_from_their_topic(names: set[str]) -> None:
    raw = bus_messages.fields_topic([*names, *names])
    assert bus_messages.parse_topic(raw) == ("fields", "")
    assert bus_messages.fields_of_topic(raw) == tuple(sorted(names))


def test_a_topic_of_fields_is_readable() -> None:
    assert bus_messages.fields_topic(["role", "db0", "a,b"]) == b"z1/fields/a%2Cb,db0,role/"


@pytest.mark.parametrize(
    "raw",
    [
        b"z1/fields/",
        b"z1/fields//",
        b"z1/fields/role",
        b"z1/fields/role,/",
        b"z1/fields/role,db0/",
        b"z1/fields/role,role/",
        b"z1/fields/%72ole/",
        b"z1/fields/role/x/",
        "z1/fields/käse/".encode(),
        b"z1/delta/role/",
    ],
)
def test_a_set_of_fields_has_one_topic(raw: bytes) -> None:
    assert bus_messages.fields_of_topic(raw) is None


@pytest.mark.parametrize("names", [[], [""], ["role", ""]])
def test_a_topic_of_fields_needs_names(names: list[str]) -> None:
    with pytest.raises(ValueError, match="needs their names"):
        bus_messages.fields_topic(names)


def test_batches_have_a_topic_of_their_own() -> None:
    assert bus_messages.parse_topic(bus_messages.BATCH_TOPIC) == ("batch", "")


@pytest.mark.parametrize("number", [0, 1, 15, 16, 300])
@pytest.mark.parametrize("size", [0, 255, 256, 65535, 65536])
def test_a_batch_is_an_array_of_arrays_of_three_byte_strings(number: int, size: int) -> None:
    messages = [(b"topic %d" % at, b"header", b"x" * size) for at in range(number)]
    body = bus_messages.pack_batch(messages)
    assert body == msgpack.packb(messages)
    assert bus_messages.unpack_batch(body) == messages


@pytest.mark.parametrize(
    "value", [{}, 1, [1], [[b"a", b"b"]], [[b"a", b"b", 3]], [[b"a", b"b", b"c", b"d"]]]
)
def test_a_batch_that_is_not_valid_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError, match="not a batch"):
        bus_messages.unpack_batch(codec.pack(value))


@given(st.binary())
def test_a_batch_of_any_bytes_is_read_or_refused(body: bytes) -> None:
    try:
        messages = bus_messages.unpack_batch(body)
    except ProtocolError:
        return
    assert all(isinstance(frame, bytes) for message in messages for frame in message)
