"""The grammar of filters, and which rows match."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.top.building import row
from tests.views.vectors import rows_of, vectors
from zinfo.views.filter_grammar import MAX_DEPTH, MAX_LENGTH, MAX_WORDS
from zinfo.views.filtering import GRAMMAR, Filter, FilterError, Known, parse

VECTORS = vectors("filters")
ROWS = rows_of(VECTORS["rows"])
KNOWN = Known(frozenset(VECTORS["known"]["fields"]), frozenset(VECTORS["known"]["labels"]))


def refused(text: str) -> str:
    """Return the error of a filter, which is one line."""
    with pytest.raises(FilterError, match=r"\A[^\n]+\Z") as caught:
        Filter(text)
    return str(caught.value)


@pytest.mark.parametrize("case", VECTORS["trees"], ids=lambda case: case["text"])
def test_a_filter_has_the_tree_of_the_vectors(case: dict[str, Any]) -> None:
    if "error" in case:
        assert case["error"] in refused(case["text"])
    else:
        assert parse(case["text"]) == case["tree"]


@pytest.mark.parametrize("case", VECTORS["matches"], ids=lambda case: case["text"])
def test_a_filter_shows_the_shards_that_match(case: dict[str, Any]) -> None:
    if "error" in case:
        assert case["error"] in refused(case["text"])
    else:
        assert [one.shard for one in Filter(case["text"])(ROWS)] == case["ids"]


@pytest.mark.parametrize("case", VECTORS["fields"], ids=lambda case: case["text"])
def test_a_filter_says_which_fields_it_reads(case: dict[str, Any]) -> None:
    assert sorted(Filter(case["text"]).fields) == case["fields"]


def test_a_name_that_is_only_a_label_is_not_read_as_a_field() -> None:
    assert Filter("site=fra used_memory>1", KNOWN).fields == {"used_memory"}


@pytest.mark.parametrize("case", VECTORS["problems"], ids=lambda case: case["text"])
def test_a_name_that_is_not_known_is_a_problem_with_a_suggestion(case: dict[str, Any]) -> None:
    assert Filter(case["text"], KNOWN).problem == case["problem"]


def test_nothing_is_a_problem_while_no_names_are_known() -> None:
    assert Filter("used_memry>1G").problem == ""
    assert Filter("used_memry>1G", Known(frozenset(), frozenset(["site"]))).problem == ""


def test_every_form_of_the_help_is_one_that_works() -> None:
    for form, _ in GRAMMAR:
        Filter(form)(ROWS)


def test_an_empty_filter_is_none() -> None:
    assert not Filter("  ")
    assert Filter("x")


@pytest.mark.timeout(60)  # a filter that backtracks would take years
@pytest.mark.parametrize(
    "text", ["id=" + "*" * 40 + "x", "id=" + "*?" * 40 + "x", "!" * 1901 + "d"]
)
def test_no_filter_takes_long(text: str) -> None:
    """They come from the address of a page, whose server has other pages to serve."""
    assert Filter(text)([row("db-1.a-rather-long-name.example.net:6379")]) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x" * (MAX_LENGTH + 1), f"at most {MAX_LENGTH} characters"),
        ("x " * (MAX_WORDS + 1), f"at most {MAX_WORDS} words"),
        ("(" * (MAX_DEPTH + 1) + "x" + ")" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} deep"),
        ("x" * 200 + "=1", "longer than 120 characters"),
    ],
)
def test_a_filter_is_bounded(text: str, error: str) -> None:
    assert error in refused(text)


@given(st.text(max_size=30) | st.text(alphabet='aor=<>!"*?() .1kG%', max_size=20))
@settings(max_examples=examples(500))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    try:
        chosen = Filter(text, KNOWN)(ROWS)
    except FilterError:
        assert "\n" not in refused(text)
        return
    assert all(one in ROWS for one in chosen)
