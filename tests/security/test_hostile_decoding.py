"""Ten thousand hostile inputs to each decoder give a value or one of zinfo's errors."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.security import fuzz
from tests.security.hostile_messages import BOMBS, mutated
from zinfo.errors import RequestError
from zinfo.wire import codec, query_messages
from zinfo.wire.query_messages import MAGIC, Request, decode_request


def inputs(count: int) -> settings:
    """The same inputs each time, however slow the machine."""
    return settings(
        derandomize=True,
        deadline=None,
        max_examples=examples(count),
        suppress_health_check=list(HealthCheck),
    )


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=4)),
    st.integers(0, 2**32 - 1).map(lambda seconds: msgpack.Timestamp(seconds, 0)),
)
KEYS = st.one_of(
    st.sampled_from(["op", "args", "id", "deadline", "ok", "error", "set", "base", "interval"]),
    st.integers(),
    st.none(),
    st.text(max_size=4),
).filter(lambda key: not isinstance(key, int) or -(2**63) <= key < 2**64)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=10,
)
PACKED = VALUES.map(msgpack.packb)
BROKEN = st.builds(mutated, PACKED, st.randoms(use_true_random=False))
ANY = st.one_of(PACKED, BROKEN, st.sampled_from(sorted(BOMBS.values())), st.binary(max_size=40))
FRAMES = st.lists(st.one_of(ANY, st.sampled_from([b"", MAGIC, b"ZI2"])), max_size=5)


@given(body=ANY)
@inputs(1500)
def test_a_request_is_decoded_or_refused(body: bytes) -> None:
    fuzz.TARGETS["request"](body)


@given(frames=FRAMES)
@inputs(600)
def test_any_message_is_an_envelope_and_a_request_or_is_refused(frames: list[bytes]) -> None:
    fuzz.check_frames(frames)


@given(
    raw=st.one_of(
        st.binary(max_size=40), st.builds(mutated, st.just(b"z1/info/a%2Fb/"), st.randoms())
    )
)
@inputs(600)
def test_a_topic_is_decoded_or_refused(raw: bytes) -> None:
    fuzz.TARGETS["topic"](raw)


@given(header=ANY, body=ANY)
@inputs(500)
def test_clients_decode_or_refuse_a_reply(header: bytes, body: bytes) -> None:
    fuzz.check_reply([MAGIC, header, body])


@given(header=ANY, body=ANY, kind=st.sampled_from(["info", "delta", "event", "hb"]))
@inputs(400)
def test_clients_decode_or_count_a_bus_message(header: bytes, body: bytes, kind: str) -> None:
    fuzz.check_bus([f"z1/{kind}/a/".encode(), header, body])
    fuzz.check_bus([f"z1/{kind}/a/".encode(), fuzz.HEADER, body])


@given(raw=st.one_of(st.binary(max_size=200), ANY))
@inputs(400)
def test_any_bytes_are_parsed_as_info(raw: bytes) -> None:
    fuzz.TARGETS["info"](raw)


@given(
    text=st.one_of(
        st.text(max_size=60), st.binary(max_size=60).map(lambda raw: raw.decode("latin-1"))
    )
)
@inputs(200)
def test_a_configuration_is_loaded_or_refused(text: str) -> None:
    fuzz.check_config(text)


@pytest.mark.parametrize("name", BOMBS)
def test_a_msgpack_bomb_is_refused_or_harmless(name: str) -> None:
    found: Request | RequestError
    try:
        found = decode_request([MAGIC, BOMBS[name]])
    except RequestError as error:
        found = error
    harmless = name in ("a nil key", "an array as key", "the same key twice")
    assert isinstance(found, Request) == harmless, found


@pytest.mark.parametrize("target", sorted(fuzz.TARGETS))
def test_the_fuzzer_finds_nothing_in_a_few_inputs(target: str) -> None:
    count = examples(1000)
    assert fuzz.run_plain(target, count, random.Random(7)) == count


@pytest.mark.parametrize(
    "body",
    [
        b"\x82\xa2op\xa4ping\xa2id\xd6\xff\x00\x00\x00\x00",
        b"\x82\xa2op\xa4ping\xa2id\x81\xd6\xff\x00\x00\x00\x00\x01",
        b"\x82\xa2op\xa4ping\xa2id\x81\x91\xd6\xff\x00\x00\x00\x00\x01",
    ],
    ids=["value", "key", "within a key"],
)
def test_an_id_that_cannot_be_encoded_is_refused_and_left_out_of_the_reply(body: bytes) -> None:
    with pytest.raises(RequestError, match="timestamps") as caught:
        decode_request([MAGIC, body])
    assert caught.value.request_id is None
    fuzz.check_request(body)


@pytest.mark.parametrize("depth", range(1, 24))
@pytest.mark.parametrize(
    "one", [b"\x91", b"\x81\xa1a", b"\xdc\x00\x01", b"\xdf\x00\x00\x00\x01\x01"]
)
def test_the_depth_limit_is_the_same_for_all_containers(one: bytes, depth: int) -> None:
    body = b"\x82\xa2op\xa4ping\xa2id" + one * depth + b"\x01"
    if depth < 15:  # and the map around it
        assert decode_request([MAGIC, body]).op == "ping"
    else:
        with pytest.raises(RequestError, match="nested deeper than 16"):
            decode_request([MAGIC, body])


@given(
    st.recursive(
        st.one_of(st.integers(-(2**63), 2**64 - 1), st.text(max_size=5), st.datetimes().map(str)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=30,
    ),
    st.sampled_from((b"", b"\xd6\xff\x00\x00\x00\x00", b"\xd7\xff" + bytes(8))),
)
@inputs(500)
def test_a_body_that_looks_plain_has_no_content_problem(value: object, stamp: bytes) -> None:
    body = b"\x82\xa2op\xa4ping\xa2id" + msgpack.packb(value)
    if stamp:
        body = b"\x82\xa2op\xa4ping\xa2id\x92" + msgpack.packb(value) + stamp
    if query_messages._is_plain(body):
        assert query_messages._content_problem(codec.unpack(body)) == ""


def test_the_fuzzer_reports_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        raise LookupError

    target: Callable[[bytes], None] = broken
    monkeypatch.setitem(fuzz.TARGETS, "request", target)
    with pytest.raises(LookupError):
        fuzz.run_plain("request", 10, random.Random(1))
