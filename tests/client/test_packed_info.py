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
    fold,
    fold_in_python,
    merge,
    merge_in_python,
)
from zinfo.client.stored_info import MAX_DELTA_BYTES, StoredInfo
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


def folded(bodies: list[bytes], function: Callable[[bytes, bytes], bytes]) -> list[bytes]:
    """What folding each of these deltas into those before it gives."""
    results = [b""]
    for body in bodies:
        results.append(function(results[-1], body))
    return results


@settings(max_examples=examples(400))
@given(FIELDS, st.lists(FIELDS, max_size=5))
def test_a_folded_delta_has_the_changes_of_all(
    info: dict[str, Any], changes: list[dict[str, Any]]
) -> None:
    bodies = [body_of(changed, []) for changed in changes]
    results = folded(bodies, fold)
    assert results == folded(bodies, fold_in_python)
    if changes:
        assert decode_info(merge(pack(info), (results[-1],))) == decode_info(
            merge(pack(info), tuple(bodies))
        )


MANY = st.lists(st.integers(0, 80), max_size=80, unique=True)


@settings(max_examples=examples(100))
@given(st.lists(MANY, max_size=4))
def test_many_fields_in_any_order_are_folded_natively_as_in_python(orders: list[list[int]]) -> None:
    bodies = [
        body_of({f"field{number}": turn << number for number in order if number < 60}, [])
        for turn, order in enumerate(orders)
    ]
    assert folded(bodies, fold) == folded(bodies, fold_in_python)


@pytest.mark.skipif(native is None, reason="there is no native part to be compared")
@settings(max_examples=examples(600))
@given(FIELDS, FIELDS, st.lists(NAMES, max_size=1), MUTATIONS)
def test_malformed_deltas_are_folded_natively_as_in_python(
    earlier: dict[str, Any],
    later: dict[str, Any],
    unset: list[str],
    mutations: list[tuple[int, int]],
) -> None:
    old = fold_in_python(b"", body_of(earlier, []))
    body = mutated(body_of(later, unset), mutations)
    assert native is not None
    result = native.fold_delta(old, body)
    if result is not None:
        assert result == fold_in_python(old, body)


def test_a_delta_that_unsets_a_field_is_not_folded() -> None:
    assert fold(b"", body_of({"a": 1}, ["b"])) == b""
    assert fold(fold(b"", body_of({"a": 1}, [])), body_of({}, ["b"])) == b""


def test_hostile_deltas_are_folded_by_python_or_refused() -> None:
    good = fold(b"", body_of({"a": 1}, []))
    many = body_of({f"field{number}": number for number in range(1100)}, [])
    assert decode_changes(fold(good, many))[0] == {
        "a": 1,
        **{f"field{number}": number for number in range(1100)},
    }
    repeated = b"\x83\xa3set\x82\xa1a\x01\xa1a\x02\xa5unset\x90\xa4base\x01"
    assert decode_changes(fold(good, repeated))[0] == {"a": 2}
    for body in (b"", b"\x83", good[:-1], good + b"\0", b"\x83\xa3set\xdf\xff\xff\xff\xff"):
        with pytest.raises(ProtocolError):
            fold(good, body)


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
        native.fold_delta(b"", "x")  # type: ignore[arg-type]  # not bytes: it must raise
    wrong: tuple[Any, ...] = (("x",), (b"x",) * 17)
    for names in wrong:
        with pytest.raises((TypeError, ValueError)):
            native.apply_deltas(b"\x90", 1, shards, {}, {}, set(), 0.0, 0.0, 1, names, [])
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


def test_waiting_changes_are_bounded_in_bytes() -> None:
    for size in (1, MAX_DELTA_BYTES // 3):
        stored = StoredInfo()
        stored.replace(pack({"a": 0}), 1, 0.0, 0.0)
        for revision in range(2, 60):
            stored.add(
                revision, revision - 1, 0.0, 0.0, body_of({"a": revision, "b": "x" * size}, [])
            )
            packed, delta = stored.parts()
            assert packed is not None
            assert len(delta) <= min(MAX_DELTA_BYTES, size + 100), "only the newest values wait"
        assert stored.info() == {"a": 59, "b": "x" * size}
        assert stored.parts().delta == b""


def test_changes_too_large_to_wait_are_applied_at_once() -> None:
    stored = StoredInfo()
    stored.replace(pack({"a": 0}), 1, 0.0, 0.0)
    for revision in range(2, 10):
        body = body_of({f"f{revision}": "x" * (MAX_DELTA_BYTES // 3)}, [])
        stored.add(revision, revision - 1, 0.0, 0.0, body)
        assert len(stored.parts().delta) <= MAX_DELTA_BYTES
    info = stored.info()
    assert info is not None
    assert len(info) == 9


def test_a_field_that_is_gone_and_comes_again_has_its_newest_value() -> None:
    stored = StoredInfo()
    stored.replace(pack({"a": 0, "b": 0}), 1, 0.0, 0.0)
    steps: list[tuple[dict[str, int], list[str]]] = [({"a": 1}, []), ({}, ["a"]), ({"a": 2}, [])]
    expected = [{"a": 1, "b": 0}, {"b": 0}, {"b": 0, "a": 2}]
    for revision, (changed, unset) in enumerate(steps, 2):
        stored.add(revision, revision - 1, 0.0, 0.0, body_of(changed, unset))
        assert stored.parts().info() == expected[revision - 2]
        assert stored.fields(FieldReader(["a"])) == ({"a": changed["a"]} if changed else {})


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
