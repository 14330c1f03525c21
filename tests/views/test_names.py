"""Short names of shards."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.views.vectors import vectors
from zinfo.views.names import MIN_WIDTH, shorten


@pytest.mark.parametrize("case", vectors("names")["cases"], ids=lambda case: str(case["width"]))
def test_ids_are_shortened_as_in_the_vectors(case: dict[str, Any]) -> None:
    found = shorten(case["ids"], case["width"])
    assert {one: found[one] for one in case["names"]} == case["names"]
    assert shorten(case["ids"][::-1], case["width"]) == found


@given(
    st.lists(st.text(alphabet="ab1-.:…~", max_size=30), max_size=12),
    st.integers(0, 30),
)
@settings(max_examples=examples(300))
def test_names_fit_and_are_unique(ids: list[str], width: int) -> None:
    found = shorten(ids, width)
    assert found.keys() == set(ids)
    assert len(set(found.values())) == len(found)
    assert all(len(name) <= max(width, MIN_WIDTH) for name in found.values())


@pytest.mark.timeout(60)  # work that grows with the square of the length would take longer
def test_long_ids_and_many_equal_names_take_little() -> None:
    long = ["a-" * 5000 + str(number) + "b" * 5000 for number in range(200)]
    assert len(set(shorten(long, 20).values())) == 200
    many = [f"{'a' * 60}{number}{'b' * 60}" for number in range(5000)]
    assert len(set(shorten(many, 20).values())) == 5000
