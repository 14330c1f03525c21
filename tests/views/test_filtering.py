"""The grammar of filters."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.top.building import row
from zinfo.views.filtering import GRAMMAR, Filter, FilterError

ROWS = [
    row("db-1:6379", labels={"site": "fra"}, ops=50, memory=3 * 1024**3, hit_ratio=0.5),
    row("db-2:6379", labels={"site": "ams", "note": "two words"}, role="slave", ops=2000),
    row("db-3:6379", labels={"site": "fra", "role": "cache"}, state="down", reason="refused"),
    row("[::1]:7000", fresh=False, version="8.1.8", age=90.0),
    row("new:1", state="new", version=None, role=None, age=math.inf, interval=None, ops=None),
]


def passing(text: str) -> list[str]:
    return [one.shard.partition(":6379")[0] for one in Filter(text)(ROWS)]


@pytest.mark.parametrize(
    ("text", "shards"),
    [
        ("", ["db-1", "db-2", "db-3", "[::1]:7000", "new:1"]),
        ("db-", ["db-1", "db-2", "db-3"]),
        ("DB-1", ["db-1"]),
        ("fra", ["db-1", "db-3"]),
        ("site=fra", ["db-1", "db-3"]),
        ("site=FRA db-1", ["db-1"]),
        ("site!=fra", ["db-2", "[::1]:7000", "new:1"]),
        ("!fra", ["db-2", "[::1]:7000", "new:1"]),
        ("!site=fra !new", ["db-2", "[::1]:7000"]),
        ("!!fra", ["db-1", "db-3"]),
        ("site=*", ["db-1", "db-2", "db-3"]),
        ("state=down", ["db-3"]),
        ("down", ["db-3"]),
        ("refused", ["db-3"]),
        ("reason=refused", ["db-3"]),
        ("state=stale", ["[::1]:7000"]),
        ("stale", ["[::1]:7000"]),
        ("role=slave", ["db-2"]),
        ("role=cache", ["db-3"]),
        ("version=7.*", ["db-1", "db-2", "db-3"]),
        ("shard=db-?:6379", ["db-1", "db-2", "db-3"]),
        ("id=[::1]:7000", ["[::1]:7000"]),
        ("id=[:*]:7000", ["[::1]:7000"]),
        ("id=[[]*", []),
        ("shard=db-", []),
        ("ops>100", ["db-2"]),
        ("ops>=2k", ["db-2"]),
        ("ops<100", ["db-1"]),
        ("ops=2k", ["db-2"]),
        ("memory>2G", ["db-1"]),
        ("memory<=3GB memory>0", ["db-1"]),
        ("hits<80%", ["db-1"]),
        ("hits<80", ["db-1"]),
        ("hits<50", []),
        ("age>1m", ["[::1]:7000"]),
        ("every<1s", ["db-1", "db-2", "db-3", "[::1]:7000"]),
        ('note="two words"', ["db-2"]),
        ('"two words"', ["db-2"]),
        ("db- role=master site=fra ops>10", ["db-1"]),
        ("nothing-like-it", []),
    ],
)
def test_a_filter_shows_the_shards_that_match(text: str, shards: list[str]) -> None:
    assert passing(text) == shards


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ops>", "the value after > is missing"),
        ("site=", "the value after = is missing"),
        ("=fra", "the name before the sign is missing"),
        (">5", "the name before the sign is missing"),
        ("ops>many", "many is not a number"),
        ("ops>5s", "a unit that does not fit ops"),
        ("age>5G", "a unit that does not fit age"),
        ("site>5", "site is not a number; age, clients"),
        ("!", "! needs a word"),
        ("!=fra", "the name before the sign is missing"),
        ('"open', 'a " is missing'),
    ],
)
def test_an_invalid_filter_is_an_error_with_a_reason(text: str, error: str) -> None:
    with pytest.raises(FilterError, match=r"^[^\n]+$") as caught:
        Filter(text)
    assert error in str(caught.value)


def test_every_form_of_the_help_is_one_that_works() -> None:
    for form, _ in GRAMMAR:
        Filter(form)(ROWS)


def test_an_empty_filter_is_none() -> None:
    assert not Filter("  ")
    assert Filter("x")


@pytest.mark.timeout(60)  # a filter that backtracks would take years
@pytest.mark.parametrize(
    "text", ["shard=" + "*" * 40 + "x", "shard=" + "*?" * 40 + "x", "!" * 4001 + "d"]
)
def test_no_filter_takes_long_or_too_much(text: str) -> None:
    """They come from the address of a page, whose server has other pages to serve."""
    assert Filter(text)([row("db-1.a-rather-long-name.example.net:6379")]) == []


@given(st.text(max_size=30) | st.text(alphabet='ab=<>!"*? .1kG%', max_size=20))
@settings(max_examples=examples(500))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    try:
        chosen = Filter(text)(ROWS)
    except FilterError:
        return
    assert all(one in ROWS for one in chosen)
