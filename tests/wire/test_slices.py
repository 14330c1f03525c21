"""Slices: which daemons of a fleet poll a shard."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol_vectors import Vector, read
from zinfo.wire.slices import SliceSpec, jump_hash, key_hash, slices_of

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "size-it.md").read_text(encoding="utf-8")
KEYS = [f"prod-eu-{n % 7}.example.net:{6379 + n}" for n in range(4000)]


@pytest.mark.parametrize("vector", read("slices"), ids=lambda one: one["key"][:20])
def test_the_vectors_are_what_zinfo_chooses(vector: Vector) -> None:
    spec = SliceSpec(0, vector["count"], vector["copies"], vector["by"])
    key = spec.key(vector["id"], vector["labels"])
    assert key == vector["key"]
    for salt, digest in enumerate(vector["digests"]):
        assert key_hash(key, salt).to_bytes(8, "little").hex() == digest
    assert slices_of(key, vector["count"], vector["copies"]) == tuple(vector["slices"])
    polled = [
        replace(spec, number=number).includes(vector["id"], vector["labels"])
        for number in range(spec.count)
    ]
    assert [number for number, one in enumerate(polled) if one] == sorted(vector["slices"])


@pytest.mark.skipif(shutil.which("b2sum") is None, reason="no b2sum of GNU coreutils on the PATH")
def test_the_digests_of_the_vectors_are_those_of_b2sum() -> None:
    vector = next(one for one in read("slices") if one["key"] == "käse~1")
    for salt, digest in enumerate(vector["digests"]):
        text = f"{salt}:{vector['key']}".encode()
        done = subprocess.run(["b2sum"], input=text, capture_output=True, check=True)
        assert done.stdout.decode().startswith(digest)


def test_key_hash_is_that_of_any_blake2b() -> None:
    # `printf '0:db-1:6379' | b2sum`
    assert key_hash("db-1:6379", 0).to_bytes(8, "little").hex() == "e576dd0fff7ccea4"
    assert key_hash("db-1:6379", 1).to_bytes(8, "little").hex() == "5ea170a0c91327c0"


@pytest.mark.parametrize(
    ("key", "buckets", "expected"),
    [
        # from the tests of implementations in Guava and Go
        (0, 1, 0),
        (1, 1, 0),
        (0xDEAD10CC, 1, 0),
        (0xDEAD10CC, 666, 361),
        (256, 1024, 520),
    ],
)
def test_jump_hash_has_the_published_values(key: int, buckets: int, expected: int) -> None:
    assert jump_hash(key, buckets) == expected


@given(key=st.text(), count=st.integers(1, 50), data=st.data())
def test_copies_are_on_different_slices(key: str, count: int, data: st.DataObject) -> None:
    copies = data.draw(st.integers(1, min(count, 8)))
    chosen = slices_of(key, count, copies)
    assert len(set(chosen)) == copies
    assert all(0 <= number < count for number in chosen)
    assert chosen[: copies - 1] == slices_of(key, count, copies - 1)


def test_slices_are_even() -> None:
    sizes = Counter(number for key in KEYS for number in slices_of(key, 8, 2))
    assert set(sizes) == set(range(8))
    assert all(abs(size - 1000) < 120 for size in sizes.values()), sizes


def test_growing_moves_only_to_the_new_slice_and_rarely_both_copies() -> None:
    moved = both = 0
    for key in KEYS:
        before, after = set(slices_of(key, 8, 2)), set(slices_of(key, 9, 2))
        gained = after - before
        moved += len(gained)
        both += len(gained) == 2
    assert 0.08 < moved / (2 * len(KEYS)) < 0.14
    assert both < 0.01 * len(KEYS)


@pytest.mark.parametrize("copies", [1, 2])
def test_what_moves_from_10_to_11_slices_is_what_the_page_says(copies: int) -> None:
    """docs/how-to/size-it.md has the figures of 100,000 ids."""
    said = {
        name: float(row.split("|")[copies - 1].strip().removesuffix(" %"))
        for name, row in re.findall(r"^\| ([^|]+) \| ([^|]*% \| [^|]*%) \|$", PAGE, re.MULTILINE)
    }
    both = [
        (set(slices_of(key, 10, copies)), set(slices_of(key, 11, copies)))
        for key in (f"shard-{number:06}" for number in range(10_000))
    ]
    gained = [number for before, after in both for number in after - before]
    found = {
        "copies that move": len(gained) / (copies * len(both)),
        "... of these to the new slice": gained.count(10) / len(gained),
        "shards of which no copy stays": sum(not old & new for old, new in both) / len(both),
    }
    assert said.keys() == found.keys()
    for name, part in found.items():
        assert 100 * part == pytest.approx(said[name], abs=1), name


@pytest.mark.parametrize(
    ("before", "after", "restarted"),
    [
        (3, 4, [3, 2, 1, 0]),  # 3 has started before; a StatefulSet restarts the last one first
        (3, 4, [2, 1, 0]),
        (4, 3, [2, 1, 0]),  # 3 ends afterwards
        (8, 9, [7, 6, 5, 4, 3, 2, 1, 0]),
    ],
)
def test_while_a_fleet_is_resized_each_shard_has_a_daemon_although_one_is_away(
    before: int, after: int, restarted: list[int]
) -> None:
    """The steps of docs/how-to/run-several-daemons.md."""
    numbers = [(slices_of(key, before, 2), slices_of(key, after, 2)) for key in KEYS]
    old, new = set(range(before)), set(range(before, after))
    for number in restarted:
        old.discard(number)
        new.discard(number)
        assert all(old.intersection(of) or new.intersection(then) for of, then in numbers), number
        new.add(number)


def test_shards_with_the_same_label_are_together() -> None:
    spec = SliceSpec(number=1, count=3, by="cluster")
    assert spec.key("a:1", {"cluster": "orders"}) == "orders"
    assert spec.key("a:1", {}) == "a:1"
    assert len({spec.includes(f"a:{n}", {"cluster": "orders"}) for n in range(50)}) == 1
    by_id = SliceSpec(number=1, count=3)
    assert len({by_id.includes(f"a:{n}", {"cluster": "orders"}) for n in range(50)}) == 2


@pytest.mark.parametrize(
    ("number", "count", "copies"),
    [(3, 3, 1), (-1, 3, 1), (0, 0, 1), (0, 1025, 1), (0, 3, 0), (0, 3, 4), (0, 20, 9)],
)
def test_numbers_out_of_range_are_refused(number: int, count: int, copies: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        SliceSpec(number, count, copies)
