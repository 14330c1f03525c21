"""Entries of `get_infos` are the same whichever way they are encoded and paged."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from zinfo.native.loader import native
from zinfo.query.entry_encoder import EntryEncoder
from zinfo.query.paging import LONGEST_HEADER, build_page
from zinfo.query.servicer import InfoProviderServicer, InfoQuery
from zinfo.security.rights import ALL_RIGHTS
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.codec import unpack

needs_native = pytest.mark.skipif(native is None, reason="the native part could not be compiled")

NAMES = ("used_memory", "role", "maxmemory_policy", "é")
LINES = (
    b"used_memory:1",
    b"used_memory:18446744073709551616",
    b"role:master",
    b"role:\xff",
    b"maxmemory_policy:no=1,b=2",
    b"maxmemory_policy:\xc3\xa9",
    b"\xc3\xa9:7",
    b"# Memory",
    b"nothing",
)

replies = st.lists(st.sampled_from(LINES), min_size=1, max_size=6).map(b"\r\n".join)
snapshots = (
    st.none()
    | st.builds(
        lambda raw, revision, age: Snapshot(raw, revision, 1.5, time.monotonic() - age),
        replies,
        st.integers(0, 2**63),
        st.sampled_from((0.0, 30.0, -1.0)),
    )
    | st.builds(
        lambda number: Snapshot.from_fields({"used_memory": number}, 3, 2.5, time.monotonic()),
        st.integers(0, 300),
    )
)


def fleet(snapshots_: list[Snapshot | None]) -> InfoProviderServicer:
    publisher = ShardPublisher()
    for number, snapshot in enumerate(snapshots_):
        labels = {"é": "x" * number} if number % 2 else {}
        shard = RedisShard(f"s{number:03}" + "é" * (number % 3 == 1), "redis://127.0.0.1:1", labels)
        shard._snapshot = snapshot
        shard.state = list(ShardState)[number % len(ShardState)]
        publisher.add_shard(shard)
    return InfoProviderServicer(publisher)


def pages(
    servicer: InfoProviderServicer, query: InfoQuery, most: int, max_bytes: int
) -> list[list[dict[str, Any]]]:
    """Return all pages of a result, as a client requests them."""
    found: list[Any] = []
    cursor = None
    live = servicer.publisher.sorted_shard_ids()
    while not found or cursor is not None:
        entries = EntryEncoder(servicer, query, ALL_RIGHTS, time.monotonic(), lambda: None)
        blocks = entries.blocks(live, cursor, most, max_bytes - LONGEST_HEADER)
        page = build_page(
            blocks,
            limit=most,
            target_bytes=max_bytes,
            max_bytes=max_bytes,
            yield_point=lambda: None,
        )
        found.append(unpack(page.body))
        cursor = page.cursor
    return found


def without_age(entry: dict[str, Any]) -> dict[str, Any]:
    meta = dict(entry["meta"])
    assert meta.pop("info_age") >= 0
    return {**entry, "meta": meta}


@given(
    st.lists(snapshots, max_size=12),
    st.sampled_from((1, 30)),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    st.sampled_from((0.0, 10.0)),
    st.integers(0, 70),
    st.integers(250, 4000),
    st.booleans(),
)
def test_all_pages_together_equal_the_result_of_get_infos(
    stored: list[Snapshot | None],
    times: int,
    keys: list[str],
    max_age: float,
    most: int,
    max_bytes: int,
    with_labels: bool,
) -> None:
    servicer = fleet(stored * times)
    max_bytes += 400 * with_labels  # `fleet` gives labels of up to 360 bytes
    query = InfoQuery(keys=tuple(keys), max_age=max_age, with_labels=with_labels)
    found = pages(servicer, query, most, max_bytes)
    expected = servicer.GetInfos(keys=keys, max_age=max_age, with_labels=with_labels)
    together = [without_age(entry) for page in found for entry in page]
    assert together == list(map(without_age, expected))
    assert [list(entry) for entry in together] == [list(entry) for entry in expected]
    if most:
        assert all(len(page) <= most for page in found)
        if max_bytes >= 250 * most and not with_labels:  # an entry is smaller than that
            assert all(len(page) == most for page in found[:-1])


def entries_of(servicer: InfoProviderServicer) -> EntryEncoder:
    """Return an encoder for one field of all shards."""
    query = InfoQuery(keys=("used_memory",))
    return EntryEncoder(servicer, query, ALL_RIGHTS, time.monotonic(), lambda: None)


@needs_native
def test_many_small_entries_are_encoded_in_one_batch() -> None:
    one = Snapshot(b"used_memory:1\r\n", 1, 1.5, time.monotonic())
    servicer = fleet([one] * 200)
    entries = entries_of(servicer)
    live = servicer.publisher.sorted_shard_ids()
    numbers = [block.number for block in entries.blocks(live, None, 150, 100_000)]
    assert max(numbers) > 50
    assert sum(numbers[:-1]) >= 150  # enough to fill the page


@needs_native
def test_few_large_entries_are_encoded_in_one_batch() -> None:
    raw = b"used_memory:1\r\n" + b"x:1\r\n" * (1 << 18)  # 1.25 MiB
    servicer = fleet([Snapshot(raw, 1, 1.5, time.monotonic())] * 64)
    live = servicer.publisher.sorted_shard_ids()
    numbers = [block.number for block in entries_of(servicer).blocks(live, None, 0, 100_000)]
    assert numbers == [7] * 9 + [1]  # a batch ends after 8 MiB


def test_a_page_has_as_many_entries_as_its_limit() -> None:
    one = Snapshot(b"used_memory:1\r\n", 1, 1.5, time.monotonic())
    servicer = fleet([one] * 250)
    found = pages(servicer, InfoQuery(keys=("used_memory",)), 100, 100_000)
    assert list(map(len, found)) == [100, 100, 50]


def test_a_page_has_as_many_entries_as_fit() -> None:
    one = Snapshot(b"used_memory:1\r\n", 1, 1.5, time.monotonic())
    servicer = fleet([one] * 250)
    found = pages(servicer, InfoQuery(keys=("used_memory",)), 0, 1000)
    assert set(map(len, found[:-1])) <= {9, 10}  # an entry has less than a hundred bytes
    assert sum(map(len, found)) == 250


@needs_native
def test_shards_removed_during_encoding_are_omitted() -> None:
    one = Snapshot(b"used_memory:1\r\n", 1, 1.5, time.monotonic())
    servicer = fleet([one] * 100)
    live = servicer.publisher.sorted_shard_ids()
    entries = entries_of(servicer)
    blocks = entries.blocks(live, None, 0, 100_000)
    first = next(blocks)
    servicer.publisher.del_shard(live[-1])
    assert first.number + sum(block.number for block in blocks) == 99


class OddShard(RedisShard):
    """A shard class whose own code raises an error."""

    @property
    @override
    def snapshot(self) -> Snapshot | None:
        raise LookupError("no INFO today")


def test_an_error_of_a_shard_class_is_raised() -> None:
    servicer = fleet([Snapshot(b"used_memory:1\r\n", 1, 1.5, time.monotonic())])
    servicer.publisher.add_shard(OddShard("t", "redis://127.0.0.1:1"))
    with pytest.raises(LookupError, match="no INFO today"):
        pages(servicer, InfoQuery(keys=("used_memory",)), 0, 1000)


@needs_native
@pytest.mark.parametrize(
    "wrong",
    [
        {"ids": ("a",)},
        {"ids": []},
        {"shards": (None,)},
        {"names": (b"a", b"b")},
        {"names": ("a",)},
        {"kinds": "a"},
        {"names": (b"a",) * 15, "kinds": b"\1" * 15},
        {"now": None},
        {"room": -1},
    ],
    ids=str,
)
def test_the_native_encoder_raises_on_arguments_of_other_types(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "ids": ["a"],
        "shards": [None],
        "names": (b"a",),
        "kinds": b"\1",
        "now": 1.0,
        "oldest": 0.0,
        "most": 1,
        "room": 100,
    }
    assert native is not None
    assert native.encode_entries(*right.values()) == (b"", 0, 1)
    with pytest.raises(TypeError):
        native.encode_entries(*{**right, **wrong}.values())
