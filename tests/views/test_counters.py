"""Rates of counters, also after a reset of the counters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.info_texts import TEXTS
from zinfo.client.updates import Info
from zinfo.info.parser import parse
from zinfo.views.counters import (
    COUNTERS,
    elapsed,
    rates,
    ratio,
    were_reset,
)


def test_a_counter_that_grew_has_a_rate() -> None:
    assert rates({"keyspace_hits": 10}, {"keyspace_hits": 30}, 2.0) == {"keyspace_hits": 10.0}


def test_a_gauge_has_none() -> None:
    assert rates({"used_memory": 10}, {"used_memory": 30}, 2.0) == {}


def test_a_counter_that_is_new_has_none_yet() -> None:
    assert rates({}, {"keyspace_hits": 30}, 2.0) == {"keyspace_hits": None}


def test_a_counter_that_went_back_by_itself_has_none() -> None:
    assert rates({"sync_full": 30}, {"sync_full": 10}, 2.0) == {"sync_full": None}


def test_the_statistics_of_commands_and_errors_have_rates_of_their_counters() -> None:
    old: Info = {"cmdstat_get": {"calls": 5, "usec": 100}, "errorstat_ERR": {"count": 1}}
    new: Info = {"cmdstat_get": {"calls": 25, "usec": 300}, "errorstat_ERR": {"count": 3}}
    assert rates(old, new, 2.0) == {
        "cmdstat_get.calls": 10.0,
        "cmdstat_get.usec": 100.0,
        "errorstat_ERR.count": 1.0,
    }


def test_a_counter_that_did_not_grow_has_a_rate_of_0() -> None:
    assert rates({"keyspace_hits": 10}, {"keyspace_hits": 10}, 2.0) == {"keyspace_hits": 0.0}


def test_a_counter_that_is_text_is_none() -> None:
    assert rates({"keyspace_hits": 1}, {"keyspace_hits": "many"}, 2.0) == {}
    assert rates({"keyspace_hits": "few"}, {"keyspace_hits": 3}, 2.0) == {"keyspace_hits": None}


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("run_id", "aaaa", "bbbb"),
        ("uptime_in_seconds", 1000, 1),
        ("total_commands_processed", 1000, 1),
        ("keyspace_misses", 10, 0),
    ],
)
def test_another_process_and_a_reset_count_as_reset(
    name: str, before: int | str, after: int | str
) -> None:
    assert were_reset({name: before}, {name: after})
    assert not were_reset({name: before}, {})


def test_a_run_id_that_may_not_be_seen_is_no_sign() -> None:
    assert not were_reset({"uptime_in_seconds": 5}, {"uptime_in_seconds": 6})


def test_the_stored_replies_have_most_counters() -> None:
    seen = {name for text in TEXTS.values() for name in parse(text).fields}
    assert len(COUNTERS & seen) > 50
    assert not {name for name in COUNTERS if name.startswith("total_") and "_hum" in name}


@given(
    before=st.integers(0, 2**40),
    done=st.integers(0, 2**20),
    reset_after=st.none() | st.integers(0, 2**20),
    seconds=st.floats(0.01, 100),
)
@settings(max_examples=examples(300))
def test_no_rate_is_negative_or_greater_than_the_real_one(
    before: int, done: int, reset_after: int | None, seconds: float
) -> None:
    """A server does `done` commands between two polls, and forgets the first of them, perhaps."""
    now = before + done if reset_after is None else max(0, done - reset_after)
    rate = rates({"total_commands_processed": before}, {"total_commands_processed": now}, seconds)[
        "total_commands_processed"
    ]
    assert rate is None or 0 <= rate <= done / seconds
    if reset_after is None:
        assert rate == done / seconds


@given(
    real=st.floats(0.05, 100),
    late=st.floats(0, 5),
    step=st.floats(-5, 0),
)
@settings(max_examples=examples(300))
def test_a_clock_that_is_set_back_makes_no_interval_shorter_than_half(
    real: float, late: float, step: float
) -> None:
    seconds = elapsed(real + step, real + late)
    assert seconds is not None
    assert seconds >= real / 2


def test_a_late_message_does_not_change_the_interval() -> None:
    assert elapsed(0.5, 0.9) == 0.5
    assert elapsed(0.5, 0.0) == 0.5


def test_two_polls_at_the_same_moment_have_no_interval() -> None:
    assert elapsed(0.0, 0.0) is None


def test_a_ratio_of_nothing_is_not_known() -> None:
    assert ratio(0, 0) is None
    assert ratio(None, 3) is None
    assert ratio(3, 1) == 0.75
