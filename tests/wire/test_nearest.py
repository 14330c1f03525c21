"""Suggestions for unknown names."""

from __future__ import annotations

import pytest

from zinfo.wire.nearest import MAX_NAME, most_similar, nearest

FLEET = [f"prod-ap-southeast-1-cache-{number:05}.example.net:6379" for number in range(5000)]


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("used_memroy", ["used_memory", "used_memory_rss", "role"], "used_memory"),
        ("role", ["maxmemory", "hz"], ""),
        ("role", [], ""),
        ("x" * (MAX_NAME + 1), ["x" * MAX_NAME], ""),
    ],
)
def test_the_most_similar_name_is_found(name: str, known: list[str], expected: str) -> None:
    assert most_similar(name, known) == expected
    assert nearest(name, known) == (f", did you mean {expected}?" if expected else "")


@pytest.mark.parametrize(
    "name",
    [
        "prod-ap-southeast-1-cache-04711.exmaple.net:6379",
        "prod-ap-southeast-1-cahce-04711.example.net:6379",
        "prod-ap-southeast-1-cache-04711.example.net",
    ],
)
def test_a_name_is_found_among_thousands_that_are_similar(name: str) -> None:
    assert most_similar(name, FLEET) == FLEET[4711]
