"""Pages of long results."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.errors import BadRequestError, TooLargeError
from zinfo.query.paging import Block, Page, build_page, ids_from


def page(
    requested: Sequence[str],
    live: Sequence[str],
    cursor: str | None,
    limit: int,
    target_bytes: int,
    max_bytes: int = 60,
) -> Page:
    packed = (
        (msgpack.packb(shard_id), after) for shard_id, after in ids_from(requested, live, cursor)
    )
    blocks = (Block((one[:1], one[1:]), after) for one, after in packed)
    return build_page(
        blocks,
        limit=limit,
        target_bytes=target_bytes,
        max_bytes=max_bytes,
        yield_point=lambda: None,
    )


def all_pages(
    requested: Sequence[str], live: Sequence[str], limit: int, target_bytes: int
) -> list[str]:
    got: list[str] = []
    cursor = None
    while True:
        one = page(requested, live, cursor, limit, target_bytes)
        entries = msgpack.unpackb(one.body)
        assert len(one.body) <= target_bytes or len(entries) <= 1
        got += entries
        if one.cursor is None:
            return got
        cursor = one.cursor


ids = st.text("abc", min_size=1, max_size=5)


@given(st.lists(ids), st.integers(0, 4), st.integers(0, 60))
def test_pages_of_requested_ids_preserve_their_order(
    requested: list[str], limit: int, target_bytes: int
) -> None:
    expected = requested or ["live"]
    assert all_pages(requested, ["live"], limit, target_bytes) == expected


@given(st.sets(ids), st.integers(0, 4), st.integers(0, 60))
def test_pages_of_all_live_ids_have_each_id_once(
    live: set[str], limit: int, target_bytes: int
) -> None:
    assert all_pages([], sorted(live), limit, target_bytes) == sorted(live)


def test_adding_and_removing_shards_between_pages_does_not_shift_the_rest() -> None:
    first = page([], ["a", "b", "c"], None, 2, 1000)
    assert first.cursor == "b"
    second = page([], ["a2", "c", "d"], first.cursor, 2, 1000)
    assert msgpack.unpackb(second.body) == ["c", "d"]


def test_an_entry_over_the_maximum_size_is_an_error() -> None:
    with pytest.raises(TooLargeError, match="request fewer fields"):
        page([], ["a" * 100], None, 0, 50)


def test_an_entry_over_the_target_size_has_its_own_page() -> None:
    first = page([], ["a", "b" * 30, "c"], None, 0, 20)
    assert (msgpack.unpackb(first.body), first.cursor) == (["a"], "a")
    second = page([], ["a", "b" * 30, "c"], first.cursor, 0, 20)
    assert (msgpack.unpackb(second.body), second.cursor) == (["b" * 30], "b" * 30)


def test_a_cursor_of_another_query_is_rejected() -> None:
    with pytest.raises(BadRequestError):
        page(["a"], [], "b", 0, 50)


def test_building_a_page_calls_the_yield_point_after_each_block_and_before_it_is_joined() -> None:
    yields: list[int] = []
    blocks = (Block((b"\x01",), "c") for _ in range(100))
    build_page(
        blocks,
        limit=0,
        target_bytes=10_000,
        max_bytes=10_000,
        yield_point=lambda: yields.append(1),
    )
    assert len(yields) == 101


def test_a_page_ends_before_a_block_that_does_not_fit() -> None:
    two, three = (
        Block((b"\x01\x02",), "b", number=2),
        Block((b"\x03\x04\x05",), "e", number=3),
    )
    for limit, target_bytes in ((4, 100), (0, 8)):
        blocks = iter((two, three))
        first = build_page(
            blocks, limit=limit, target_bytes=target_bytes, max_bytes=100, yield_point=lambda: None
        )
        assert first == Page(b"\x92\x01\x02", "b")
    whole = build_page(
        iter((two, three)), limit=5, target_bytes=100, max_bytes=100, yield_point=lambda: None
    )
    assert whole == Page(b"\x95\x01\x02\x03\x04\x05", None)
