"""Output for people and for programs: safe on a terminal, valid JSON, values as in INFO."""

from __future__ import annotations

import json
import logging
import sys
import time
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.cli.changes import UNKNOWN, Change
from zinfo.cli.format import echo_change, echo_event
from zinfo.cli.logs import TextFormatter
from zinfo.cli.output import echo_json, field_lines, seconds, text_or_nothing, value_text, when
from zinfo.cli.text import printable, printable_lines
from zinfo.client import Event


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with ümläuts and 緩存", "plain, with ümläuts and 緩存"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("\x9b31m \x7f", "\\x9b31m \\x7f"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_text_controls_a_terminal(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert printable_lines(text).replace("\n", "") == printable(text.replace("\n", ""))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (0.25, "0.25"),
        ("some\ntext", "some\\ntext"),
        ({"keys": 1, "expires": 0}, "keys=1,expires=0"),
        ({"name": "tcp", "bind": ["*", "-::*"]}, "name=tcp,bind=*,bind=-::*"),
        ([{"name": "a"}, {"name": "b"}], "name=a name=b"),
    ],
)
def test_values_look_as_in_info(value: object, text: str) -> None:
    assert value_text(value) == text


def test_a_repeated_field_has_a_line_for_each_value() -> None:
    assert list(field_lines("module", [{"name": "a", "ver": 1}, {"name": "b", "ver": 2}])) == [
        "module:name=a,ver=1",
        "module:name=b,ver=2",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (99.94, "99.9 s"),
        (125, "2 min 5 s"),
        (3725, "1 h 2 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_seconds_are_formatted_as_text(value: object, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.usefixtures("tokyo")
def test_times_are_utc_with_milliseconds() -> None:
    assert when(1795420800.0419) == "2026-11-23T08:00:00.041Z"
    assert when(float("inf")) == when(1e300) == when(float("nan")) == "-"


def test_empty_values_are_a_dash() -> None:
    assert [text_or_nothing(value) for value in (None, "", 0, "a\n")] == ["-", "-", "0", "a\\n"]


def test_json_is_ascii_in_one_line_and_valid_whatever_is_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    echo_json(
        {"text": "a\nb\x1b緩\ud800", "list": [float("nan"), {"inf": float("inf")}], "b": b"x"}
    )
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isascii()
    assert line.isprintable()
    read = json.loads(line, parse_constant=pytest.fail)
    assert read == {"text": "a\nb\x1b緩\ud800", "list": ["nan", {"inf": "inf"}], "b": "b'x'"}


def event(
    type_: str, old: str | None, new: str | None, reason: str = "", message: str = ""
) -> Event:
    return Event("db:1", type_, old, new, reason, message, number=7, seq=3, time=0.0)


@pytest.mark.parametrize(
    ("happened", "text"),
    [
        (event("added", None, "new"), "added"),
        (event("removed", "up", None), "removed"),
        (event("up", "new", "up"), "up, was new"),
        (
            event("down", "up", "down", "timeout", "no answer\x1b[2J"),
            "down (timeout), was up: no answer\\x1b[2J",
        ),
        (event("role_changed", "slave", "master"), "role_changed: replica -> primary"),
        (event("polling_error", "up", "up", "other", "why"), "polling_error (other): why"),
    ],
)
def test_an_event_is_a_line(capsys: pytest.CaptureFixture[str], happened: Event, text: str) -> None:
    echo_event(happened, json=False)
    assert capsys.readouterr().out == f"1970-01-01T00:00:00.000Z db:1 #7 {text}\n"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (1, 2, "1 -> 2"),
        (None, 2, "- -> 2"),
        (2, None, "2 -> -"),
        (UNKNOWN, "x", "? -> x"),
        ("", "\n", '"" -> \\n'),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}, "b=2 -> b=3,c=4"),
        ({"a": 1, "b": 2}, {"a": 1}, 'b=2 -> ""'),
    ],
)
def test_a_change_is_a_line(
    capsys: pytest.CaptureFixture[str], old: object, new: object, text: str
) -> None:
    echo_change(Change("db:1", 5, 0.0, "field", old, new), json=False)
    assert capsys.readouterr().out == f"1970-01-01T00:00:00.000Z db:1 field: {text}\n"


def test_an_old_value_that_was_not_seen_is_missing_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    echo_change(Change("db:1", 5, 0.0, "field", UNKNOWN, 2), json=True)
    assert "old" not in json.loads(capsys.readouterr().out)


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone that is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_a_log_line_holds_no_control_characters_and_its_traceback_only_line_ends() -> None:
    try:
        raise ValueError("evil\x1b[2J\nsecond")
    except ValueError:
        record = logging.LogRecord(
            "zinfo.x", logging.ERROR, __file__, 1, "said %s", ("a\nb\x07",), sys.exc_info()
        )
    record.created = 1795420800.5
    first, *rest = TextFormatter().format(record).split("\n")
    assert first == "2026-11-23T08:00:00Z ERROR zinfo.x: said a\\nb\\x07"
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-2:] == ["ValueError: evil\\x1b[2J", "second"]
