"""INFO and deltas as msgpack: merged, read by field and in batches; native code as Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.client import batches
from zinfo.client.batches import read_batch, read_batch_in_python, shards
from zinfo.client.decoding import BusMessage
from zinfo.client.packed_info import (
    FieldReader,
    base_of,
    decode_changes,
    decode_info,
    merge,
    merge_in_python,
)
from zinfo.client.stored_info import MAX_DELTA_BYTES, MAX_DELTAS, StoredInfo
from zinfo.errors import ProtocolError
from zinfo.native.loader import native
from zinfo.wire.bus_messages import Header, pack_batch, pack_header, topic
from zinfo.wire.codec import pack

EPOCH = 1 << 47

NAMES = st.sampled_from(["role", "used_memory", "db0", "", "é", "x" * 31, "y" * 32, "z" * 300])
VALUES = st.recursive(
    st.one_of(
        st.integers(-(1 << 63), (1 << 64) - 1),
        st.floats(allow_nan=False),
        st.text(max_size=40),
        st.sampled_from([None, True, False, "a" * 300, 1 << 16, -33, b"\x80"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=17), st.dictionaries(st.text(max_size=2), inner, max_size=17)
    ),
    max_leaves=4,
)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=8)
DELTAS = st.lists(st.tuples(FIELDS, st.lists(NAMES, max_size=3)), max_size=4)
MUTATIONS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=3)


def body_of(changed: object, unset: object, base: object = 1) -> bytes:
    """The body of a delta, as a daemon makes it."""
    return pack({"set": changed, "unset": unset, "base": base})


def mutated(packed: bytes, mutations: list[tuple[int, int]]) -> bytes:
    """Some bytes are others, or the end is cut off."""
    changed = bytearray(packed)
    for place, byte in mutations:
        if byte == 0xC1:
            del changed[place % (len(changed) + 1) :]
        elif changed:
            changed[place % len(changed)] = byte
    return bytes(changed)


def result_of(function: Callable[..., Any], *args: object) -> object:
    """What a function returns, or that it refuses its arguments."""
    try:
        return function(*args)
    except ProtocolError:
        return "refused"


@settings(max_examples=examples(400))
@given(FIELDS, DELTAS)
def test_merging_packed_deltas_gives_what_applying_them_gives(
    info: dict[str, Any], deltas: list[tuple[dict[str, Any], list[str]]]
) -> None:
    expected = dict(info)
    for changed, unset in deltas:
        expected.update(changed)
        for name in unset:
            expected.pop(name, None)
    bodies = tuple(body_of(changed, unset) for changed, unset in deltas)
    merged = merge(pack(info), bodies)
    assert merged == merge_in_python(pack(info), bodies)
    assert merged == pack(expected)


@pytest.mark.skipif(native is None, reason="there is no native part to be compared")
@settings(max_examples=examples(600))
@given(FIELDS, DELTAS, MUTATIONS, st.integers(0, 4))
def test_malformed_maps_are_merged_natively_as_in_python(
    info: dict[str, Any],
    deltas: list[tuple[dict[str, Any], list[str]]],
    mutations: list[tuple[int, int]],
    place: int,
) -> None:
    packed = [pack(info), *(body_of(changed, unset) for changed, unset in deltas)]
    packed[place % len(packed)] = mutated(packed[place % len(packed)], mutations)
    first, *bodies = packed
    assert native is not None
    merged = native.merge_deltas(first, tuple(bodies))
    if merged is not None:
        assert merged == merge_in_python(first, tuple(bodies))


def test_hostile_maps_are_left_to_python() -> None:
    body = body_of({"a": 1}, [])
    hostile: list[tuple[bytes, tuple[bytes, ...]]] = [
        (b"", ()),
        (b"\xdf\xff\xff\xff\xff", ()),  # four billion pairs
        (b"\x81\xa1a\xdd\xff\xff\xff\xff", ()),  # an array of four billion values
        (b"\x81\xdb\xff\xff\xff\xffa", ()),  # a name of four billion bytes
        (b"\x81\xa1a\xc6\xff\xff\xff\xff", ()),
        (b"\x80\x00", ()),  # followed by another byte
        (b"\x80", (b"\x83",)),
        (b"\x80", (body[:-1],)),
        (b"\x80", (body + b"\x00",)),
        (b"\x80", (b"\x83\xa3set" + b"\xdf\x00\x00\xff\xff" + bytes(200000),)),
    ]
    for info, bodies in hostile:
        if native is not None:
            assert native.merge_deltas(info, bodies) is None
        with pytest.raises(ProtocolError):
            merge(info, bodies)


def test_names_with_the_same_hash_do_not_hold_the_merge_up() -> None:
    """The native table gives up after some probes, and Python does the merge."""
    many = {f"field{number}": number for number in range(70_000)}
    merged = merge(pack(many), (body_of({"field1": "x"}, ["field0"]),))
    expected: dict[str, object] = {**many, "field1": "x"}
    del expected["field0"]
    assert decode_info(merged) == expected


def test_native_functions_refuse_other_types() -> None:
    if native is None:
        pytest.skip("there is no native part")
    for args in (("x", ()), (b"", [b""]), (b"\x80", (1,))):
        with pytest.raises(TypeError):
            native.merge_deltas(*args)
    with pytest.raises(TypeError):
        native.read_deltas("x", 1, shards)  # type: ignore[arg-type]  # not bytes: it must raise


# --- batches


def batch_of(*bodies: bytes, epoch: int = EPOCH, time: float = 1.5) -> bytes:
    """The body of a batch."""
    return pack_batch(
        [
            (topic("delta", f"s{place}"), pack_header("node", epoch, place + 2, time), body)
            for place, body in enumerate(bodies)
        ]
    )


def message_of(body: bytes) -> BusMessage:
    return BusMessage("batch", "", Header(1, "node", EPOCH, 1, 1.5), body)


@settings(max_examples=examples(400))
@given(DELTAS, MUTATIONS)
def test_a_batch_is_read_natively_as_in_python(
    deltas: list[tuple[dict[str, Any], list[str]]], mutations: list[tuple[int, int]]
) -> None:
    body = mutated(batch_of(*(body_of(*delta) for delta in deltas)), mutations)
    assert result_of(read_batch, message_of(body)) == result_of(read_batch_in_python, body, EPOCH)


def test_plain_batches_are_read_natively(monkeypatch: pytest.MonkeyPatch) -> None:
    if native is None:
        pytest.skip("there is no native part")
    body = batch_of(body_of({"a": {"b": [1.5, None]}}, ["c"]), body_of({}, [], 0))
    monkeypatch.setattr(batches, "read_batch_in_python", None)
    deltas, malformed = read_batch(message_of(body))
    assert [delta[:4] for delta in deltas] == [
        ("s0", 2, 1, 1.5),
        ("s1", 3, 0, 1.5),
    ]
    assert malformed == 0


@pytest.mark.parametrize(
    "body",
    [
        body_of({}, [], 2),
        body_of({}, [], -1),
        body_of({}, [], True),
        body_of({}, [], 1.0),
        body_of([], []),
        body_of({}, {}),
        body_of({}, [1]),
        pack({"set": {}, "unset": []}),
        b"",
    ],
)
def test_a_delta_with_a_malformed_frame_has_no_base(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        base_of(body, 2)
    (bad, good), malformed = read_batch(message_of(batch_of(body, body_of({}, []))))
    assert (bad[2], good[2], malformed) == (-1, 1, 0)


@pytest.mark.parametrize(("epoch", "time"), [(1, 1.5), (EPOCH, float("nan")), (EPOCH, 1e999)])
def test_a_delta_of_another_epoch_or_without_a_time_is_malformed(epoch: int, time: float) -> None:
    body = batch_of(body_of({}, []), epoch=epoch, time=time)
    assert read_batch(message_of(body)) == ([], 1)


@pytest.mark.parametrize("other", [topic("event", "s0"), b"z1/delta/s0", b"z1/delta/\xff/", b""])
def test_a_message_in_a_batch_with_another_topic_is_malformed(other: bytes) -> None:
    header, body = pack_header("node", EPOCH, 2, 1.5), body_of({}, [])
    batch = pack_batch([(other, header, body), (topic("delta", "s1"), header, body)])
    deltas, malformed = read_batch(message_of(batch))
    assert ([delta[0] for delta in deltas], malformed) == (["s1"], 1)


def test_the_number_of_topics_whose_shard_is_cached_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "MAX_TOPICS", 3)
    shards.clear()
    for number in range(10):
        assert shards[topic("delta", f"s{number}")] == f"s{number}"
        assert len(shards) <= 3


# --- some fields


@settings(max_examples=examples(200))
@given(FIELDS, st.lists(NAMES, max_size=3), st.sets(NAMES, min_size=1))
def test_some_fields_are_read_as_from_the_whole(
    fields: dict[str, Any], unset: list[str], names: set[str]
) -> None:
    reader = FieldReader(names)
    chosen = {name: value for name, value in fields.items() if name in names}
    gone = tuple(name for name in unset if name in names)
    body = body_of(fields, unset)
    assert reader.of_info(pack(fields)) == chosen
    assert decode_info(reader.narrow_info(pack(fields))) == chosen
    assert reader.of_delta(body) == (chosen, gone)
    assert decode_changes(reader.narrow_delta(body, 1)) == (chosen, gone, 1)


# --- one shard


def test_stored_deltas_are_bounded_in_number_and_bytes() -> None:
    for size in (1, MAX_DELTA_BYTES // 3):
        stored = StoredInfo()
        stored.replace(pack({"a": 0}), 1, 0.0, 0.0)
        for revision in range(2, 60):
            stored.add(
                revision, revision - 1, 0.0, 0.0, body_of({"a": revision, "b": "x" * size}, [])
            )
            packed, deltas = stored.parts()
            assert packed is not None
            assert len(deltas) <= MAX_DELTAS
            assert sum(map(len, deltas)) <= MAX_DELTA_BYTES
        assert stored.info() == {"a": 59, "b": "x" * size}
        assert stored.parts().deltas == ()


def test_a_delta_without_a_base_replaces_what_is_stored() -> None:
    stored = StoredInfo()
    stored.add(1, 0, 0.0, 0.0, body_of({"a": 1}, [], 0))
    stored.add(2, 1, 0.0, 0.0, body_of({"b": 1}, []))
    assert stored.fields(FieldReader(["a", "b"])) == {"a": 1, "b": 1}
    stored.add(4, 0, 0.0, 0.0, body_of({"c": 1}, [], 0))
    assert stored.parts().info() == {"c": 1}
    assert stored.info() == {"c": 1}
    assert stored.revision == 4


def test_a_malformed_info_is_dropped_when_it_is_read() -> None:
    for read in (StoredInfo.info, lambda stored: stored.fields(FieldReader(["a"]))):
        stored = StoredInfo()
        stored.replace(b"\x81\xa1a\xa1\xff", 1, 0.0, 0.0)
        with pytest.raises(ProtocolError):
            read(stored)
        assert (stored.revision, stored.info()) == (0, None)
