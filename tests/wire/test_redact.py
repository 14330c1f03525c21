from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.wire.redact import redact_text, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379", "redis://host:6379"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://[::1]:6379", "redis://[::1]:6379"),
        ("redis://[::1]", "redis://[::1]"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("tcp://*:*", "tcp://*:*"),
        ("tcp://host:port", "tcp://host:port"),
        ("ipc://@abstract", "ipc://@abstract"),
        ("redis://user:hunter2@host:6379", "redis://***@host:6379"),
        ("redis://hunter2@host", "redis://***@host"),
        ("unix://:hunter2@/run/redis.sock", "unix://***@/run/redis.sock"),
        ("user:hunter2@host", "***@host"),
        ("redis://host?password=hunter2", "redis://host?***"),
        ("redis://host#hunter2", "redis://host#***"),
        ("redis://host:6379?password=a@hunter2", "redis://***"),
        ("redis://:hun?ter2@host", "redis://***"),
        ("redis://:hun/ter2@host", "redis://***@host"),
        ("redis://:hun@ter2@host", "redis://***@host"),
        ("redis://:hunter2", "redis://:***"),
        ("redis://:4711", "redis://:***"),
        ("redis://:hun/ter2", "redis://:***/***"),
        ("redis://user:hunter2", "redis://user:***"),
        ("redis://user:hunter2://@host", "redis://***@host"),
    ],
)
def test_secrets_are_removed_from_a_url(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_every_url_in_a_text_is_redacted() -> None:
    text = "cannot reach redis://:hunter2@a:1, nor rediss://u:hunter2@b:2 (bus tcp://c:3)"
    shown = "cannot reach redis://***@a:1, nor rediss://***@b:2 (bus tcp://c:3)"
    assert redact_text(text) == shown


@given(st.text(min_size=1), st.text(alphabet="abc", min_size=1))
def test_a_percent_encoded_password_is_never_shown(password: str, host: str) -> None:
    encoded = quote(f"<{password}>", safe="")
    url = f"redis://user:{encoded}@{host}:6379"
    assert redact_url(url) == f"redis://***@{host}:6379"
    assert redact_text(f"({url})") == f"(redis://***@{host}:6379)"


def test_a_long_text_without_a_url_is_searched_in_linear_time() -> None:
    def seconds(length: int) -> float:
        """CPU time of this thread; the shortest of three."""
        found = []
        for _ in range(3):
            started = time.thread_time()
            assert len(redact_text("a" * length)) == length
            found.append(time.thread_time() - started)
        return min(found)

    assert seconds(300_000) < 40 * seconds(30_000)  # a hundred times if it were quadratic
