"""The hosts that may receive credentials."""

from __future__ import annotations

import pytest

from zinfo.discovery.host_patterns import MAX_PATTERNS, HostPatterns


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("*.example.net", "a.example.net"),
        ("*.example.net", "A.Example.NET."),
        ("cache-?.local", "cache-1.local"),
        ("10.20.*", "10.20.1.2"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("2001:db8::*", "2001:db8::7"),
        ("2001:db8::/32", "2001:db8:1::7"),
        ("*", "any.host"),
        ("*", "10.0.0.1"),
        ("*", "::1"),
        ("*", "/run/redis.sock"),
        ("/run/Redis/*", "/run/Redis/a.sock"),
        ("10-20-*.pods.local", "10-20-1-2.pods.local"),
    ],
)
def test_a_pattern_matches_a_host(pattern: str, host: str) -> None:
    assert HostPatterns([pattern]).matches(host)


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("*.example.net", "example.net"),
        ("*.example.net", "a.example.net.evil.net"),
        ("*.example.net", "aXexample.net"),
        ("10.20.*", "10.20.evil.net"),
        ("10.20.*", "10.20"),
        ("10.0.0.0/8", "11.0.0.1"),
        ("10.0.0.0/8", "10.0.0.evil.net"),
        ("::1", "::2"),
        ("[a]", "a.b"),
        ("/run/Redis/*", "/run/redis/a.sock"),
        ("a?", "a/b"),
        ("a.*", "a\n.evil"),
    ],
)
def test_a_pattern_does_not_match_another_host(pattern: str, host: str) -> None:
    assert not HostPatterns([pattern]).matches(host)


def test_without_patterns_no_host_matches() -> None:
    patterns = HostPatterns(())
    assert not patterns.matches("")
    assert not patterns.matches("a")
    assert not patterns.matches("10.0.0.1")


def test_one_of_several_patterns_is_enough() -> None:
    patterns = HostPatterns(["a.example", "10.0.0.0/8", "b.*"])
    assert [patterns.matches(one) for one in ("a.example", "10.9.9.9", "b.x", "c.x")] == [
        *(True, True, True),
        False,
    ]


@pytest.mark.parametrize("pattern", ["", ".", "10.0.0.0/33", "10.0.0.1/8", "a.example/8"])
def test_a_pattern_that_cannot_match_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - ipaddress has texts of its own
        HostPatterns([pattern])


def test_the_number_of_patterns_is_bounded() -> None:
    with pytest.raises(ValueError, match=f"more than {MAX_PATTERNS}"):
        HostPatterns(["a"] * (MAX_PATTERNS + 1))
