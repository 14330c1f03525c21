"""Short text for numbers, values and events, with unprintable characters escaped."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.client import Event
from zinfo.views.formatting import (
    clock_text,
    count_text,
    event_text,
    labels_text,
    memory_text,
    rate_text,
    ratio_text,
    safe,
    seconds_text,
    value_text,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (math.nan, "-"),
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (9950, "10k"),
        (999_500, "1.0M"),
        (2**63, "9.2E"),
    ],
)
def test_counts(number: float | None, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "-"), (0, "0B"), (999, "999B"), (1024, "1.0K"), (2 * 1024**3, "2.0G")],
)
def test_sizes(size: float | None, text: str) -> None:
    assert memory_text(size) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(None, "-"), (0, "0"), (0.005, "0.01"), (1.5, "1.50"), (9.999, "10.0"), (150, "150")],
)
def test_rates(rate: float | None, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(None, "-"), (0, "0%"), (0.999, "99%"), (1, "100%"), (math.nan, "-")]
)
def test_ratios(ratio: float | None, text: str) -> None:
    assert ratio_text(ratio) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (math.inf, "-"),
        (0.25, "0.2s"),
        (12, "12s"),
        (100, "2m"),
        (7200, "2h"),
        (864_000, "10d"),
    ],
)
def test_seconds(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text


@given(st.floats(0, 1e18))
@settings(max_examples=examples(300))
def test_no_number_needs_more_room_than_its_column_has(number: float) -> None:
    assert len(count_text(number)) <= 4
    assert len(memory_text(number)) <= 5
    assert len(rate_text(number)) <= 5
    assert len(seconds_text(min(number, 86400 * 999))) <= 4


@given(st.text())
@settings(max_examples=examples(200))
def test_unprintable_text_is_escaped(text: str) -> None:
    assert safe(text).isprintable()


def test_escapes_are_shown_as_python_writes_them() -> None:
    assert safe("a\x1b[2Jb\u202e") == r"a\x1b[2Jb\u202e"


def test_values_are_written_as_info_does() -> None:
    assert value_text({"keys": 1, "expires": 0}) == "keys=1,expires=0"
    assert value_text(["a", {"name": "x"}]) == "a name=x"
    assert value_text({"flag": [1, 2]}) == "flag=1,flag=2"
    assert value_text("a\x00b") == r"a\x00b"


def test_labels_are_written_as_a_filter_has_them() -> None:
    assert labels_text({"site": "fra", "rack": "7"}) == "site=fra rack=7"


def event(kind: str, old: str | None, new: str | None, reason: str = "", message: str = "") -> str:
    return event_text(Event("x", kind, old, new, reason, message, 1, 1, 0.0))


def test_the_text_of_an_event_has_the_old_and_the_new_state() -> None:
    assert event("down", "up", "down", "refused", "connection refused") == "down: refused (was up)"
    down = Event("x", "down", "up", "down", "refused", "connection\x1b refused", 1, 1, 0.0)
    assert event_text(down, detailed=True) == r"down: refused (was up): connection\x1b refused"
    assert event("up", "down", "up") == "up (was down)"
    assert event("added", None, "new") == "added"
    assert event("restarted", "a" * 40, "b" * 40) == "restarted: run_id aaaaaaaa -> bbbbbbbb"
    assert event("restarted", None, None, "", "uptime fell") == "restarted: uptime fell"
    assert event("restarted", "a", "b", "", "why") == "restarted: run_id a -> b: why"
    assert event("role_changed", "slave", "master") == "role_changed: replica -> primary"
    assert event("polling_error", "up", "up", "timeout") == "polling_error (timeout)"
    assert event("stale", None, None, "", "no heartbeat") == "stale: no heartbeat"
    assert event("restart", None, None, "", "started again") == "restart: started again"


def test_a_clock_that_is_nonsense_breaks_nothing() -> None:
    assert clock_text(1e300) == "??:??:??"
