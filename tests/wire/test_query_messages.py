"""Requests and replies: decoding reverses encoding, and other bytes are refused."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.errors import (
    BadRequestError,
    NotPolledError,
    ProtocolError,
    RequestError,
    TooLargeError,
    UnknownShardError,
    UnsupportedVersionError,
)
from zinfo.wire import codec, query_messages
from zinfo.wire.query_messages import MAGIC, Request

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(plain, st.text(), st.dictionaries(st.text(), plain, max_size=3))
def test_a_request_reads_back(request_id: object, op: str, args: dict[str, object]) -> None:
    request = Request(op, args, request_id, 2.5)
    assert query_messages.decode_request(query_messages.encode_request(request)) == request


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_bad_request(data: bytes) -> None:
    try:
        request = query_messages.decode_request([MAGIC, data])
    except BadRequestError:
        return
    assert isinstance(request.op, str)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"op": 1},
        {"op": "get_infos", "args": []},
        {"op": "get_infos", "args": {"a": msgpack.Timestamp(1)}},
        {"op": "ping", "deadline": 0},
        {"op": "ping", "deadline": True},
        {"op": "ping", "deadline": float("nan")},
        {"op": "ping", "args": {"a": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}},
    ],
)
def test_a_map_that_is_not_a_valid_request_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError):
        query_messages.decode_request([MAGIC, msgpack.packb(value)])


def test_a_bad_request_keeps_its_id_so_that_the_error_can_be_matched() -> None:
    with pytest.raises(BadRequestError) as caught:
        query_messages.decode_request([MAGIC, codec.pack({"id": "me", "op": 5})])
    assert caught.value.request_id == "me"


def test_keys_that_are_not_text_are_refused() -> None:
    with pytest.raises(BadRequestError):
        query_messages.decode_request([MAGIC, msgpack.packb({"op": "ping", "args": {1: 2}})])


def test_the_error_for_another_version_names_the_supported_one() -> None:
    with pytest.raises(UnsupportedVersionError, match="ZI1"):
        query_messages.decode_request([b"ZI9", b""])


@pytest.mark.parametrize("frames", [[], [b"HELO", b""], [MAGIC], [MAGIC, b"", b""]])
def test_frames_that_are_not_a_request_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(BadRequestError):
        query_messages.decode_request(frames)


def test_a_request_over_the_bound_is_refused() -> None:
    with pytest.raises(TooLargeError, match="may have at most 10 bytes"):
        query_messages.decode_request([MAGIC, b"x" * 11], max_bytes=10)


@pytest.mark.parametrize("envelope", [[b"a", b""], [b"a", b"id", b""], [b"a", b"b", b"c", b""]])
def test_an_envelope_of_any_length_is_split_off(envelope: list[bytes]) -> None:
    assert query_messages.split_envelope([*envelope, b"ZI1", b""]) == (envelope, [b"ZI1", b""])


@pytest.mark.parametrize("frames", [[], [b""], [b"a", b"b"]])
def test_frames_without_an_envelope_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        query_messages.split_envelope(frames)


def test_a_reply_reads_back_with_its_cursor() -> None:
    frames = query_messages.encode_reply(5, "n", 9, {"cursor": "c"})
    reply = query_messages.decode_reply([*frames, codec.pack([1])])
    assert (reply.id, reply.body, reply.cursor, reply.epoch, reply.error) == (5, [1], "c", 9, None)


@pytest.mark.parametrize("error", [UnknownShardError("shard x not found"), NotPolledError("none")])
def test_an_error_reads_back_as_the_same_kind(error: RequestError) -> None:
    reply = query_messages.decode_reply(query_messages.encode_error(1, "n", 9, error))
    assert type(reply.error) is type(error)
    assert str(reply.error) == str(error)
    assert isinstance(reply.error, KeyError)
    assert reply.error.retryable == error.retryable


def test_an_unknown_error_code_becomes_a_plain_error() -> None:
    error = RequestError.from_wire("teapot", "short and stout", True)
    reply = query_messages.decode_reply(query_messages.encode_error(1, "n", 9, error))
    assert reply.error is not None
    assert (reply.error.code, reply.error.retryable) == ("teapot", True)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [MAGIC],
        [b"ZI2", b"\x80"],
        [MAGIC, b"\x80"],
        [MAGIC, b"\xc1"],
        [MAGIC, codec.pack({"ok": 1})],
        [MAGIC, codec.pack({"ok": False})],
    ],
)
def test_frames_that_are_not_a_reply_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        query_messages.decode_reply(frames)
