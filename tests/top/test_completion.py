"""Completion of names in a filter."""

from __future__ import annotations

import pytest

from zinfo.top.terminal.completion import common_prefix, completions

FIELDS = ("used_memory_rss", "used_memory_peak", "role")
VALUES = {"label:site": {"ams", "fra 1"}, "state": {"up", "down"}, "role": {"primary"}}


@pytest.mark.parametrize(
    ("words", "prefix"),
    [([], ""), (["abc"], "abc"), (["abc", "abd"], "ab"), (["a", "b"], ""), (["ab", "abc"], "ab")],
)
def test_the_common_prefix_of_words(words: list[str], prefix: str) -> None:
    assert common_prefix(words) == prefix


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("used_memory_r", ["used_memory_rss"]),
        ("sit", ["site="]),
        ("label:s", ["label:site="]),
        ("site=", ["site=ams", 'site="fra 1"']),
        ("site=a", ["site=ams"]),
        ("STATE=D", []),
        ("state=d", ["state=down"]),
        ("maxm", ["maxmemory"]),
        ("nothing", []),
    ],
)
def test_names_labels_and_their_values_are_completed(word: str, found: list[str]) -> None:
    assert completions(word, FIELDS, VALUES) == sorted(found)
