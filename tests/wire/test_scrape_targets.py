"""Each form of a scrape's target gives the address that a shard's URL gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.wire.addresses import parse_shard_url
from zinfo.wire.scrape_targets import address_key, parse_target


@pytest.mark.parametrize(
    "target",
    [
        "db-1:6379",
        "db-1",
        "db-1:",
        "db-1.",
        "DB-1:6379",
        "redis://db-1:6379",
        "redis://db-1",
        "redis://db-1/",
        "redis://db-1:6379/0",
        "redis://db-1:6379/0/",
        "redis://db-1:6379?db=0",
        "redis://db-1:6379/?db=0&x=1",
        "db-1/15",
        "db-1?db=0",
        "REDIS://DB-1:6379/",
        "rediss://db-1:6379",
        "valkey://db-1:6379",
        "Valkeys://db-1:6379",
        "tcp://db-1:6379",
        "redis://user@db-1:6379",
        "redis://user:secret@db-1",
        "redis://:secret@db-1/0",
        "redis://user:sec%40ret@db-1:6379",
        "redis://user:sec@ret@db-1:6379",
        "user:secret@db-1:6379",
        "redis%3A%2F%2Fuser%3Asecret%40db-1%3A6379%2F0",
    ],
)
def test_a_target_is_parsed_as_the_url_of_a_shard_is(target: str) -> None:
    assert parse_target(target) == ("db-1:6379",)


@pytest.mark.parametrize(
    ("target", "keys"),
    [
        ("redis://[::1]:7000", ("[::1]:7000",)),
        ("[::1]:7000", ("[::1]:7000",)),
        ("[::1]", ("[::1]:6379",)),
        ("::1", ("[::1]:6379",)),
        ("2001:DB8:0:0::1", ("[2001:db8::1]:6379",)),
        ("2001:db8:0:0:0:0:0:1:7000", ("[2001:db8::1]:7000",)),
        ("::1:7000", ("[::1:7000]:6379", "[::1]:7000")),
        ("redis://user:secret@::1:7000", ("[::1:7000]:6379", "[::1]:7000")),
        ("fe80::1%eth0", ("[fe80::1%eth0]:6379",)),
        ("fe80::1%25eth0:7000", ("[fe80::1%eth0]:7000",)),
        ("unix:///run/redis.sock", ("/run/redis.sock",)),
        ("unix:///run/redis.sock?db=1", ("/run/redis.sock",)),
        ("UNIX:///run/redis.sock", ("/run/redis.sock",)),
        ("unix://user:secret@/run/redis.sock", ("/run/redis.sock",)),
        ("/run/redis.sock", ("/run/redis.sock",)),
    ],
)
def test_ipv6_addresses_need_no_brackets_and_sockets_no_scheme(
    target: str, keys: tuple[str, ...]
) -> None:
    assert parse_target(target) == keys


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "missing"),
        ("http://db-1:80", "scheme"),
        ("://db-1", "scheme"),
        ("redis://", "no host"),
        ("redis://:6379", "no host"),
        ("db-1:0", "port"),
        ("db-1:99999", "port"),
        ("db-1:x", "port"),
        ("db-1/x", "database number"),
        ("db 1", "white space"),
        ("a:b:1", r"\[ \]"),
        ("[::1", "IPv6|host"),
        ("unix://redis.sock", "absolute"),
        ("redis://user:sec/ret@db-1", "before its @.*%2F"),
        ("redis://user:sec#ret@db-1", "before its @.*%23"),
        ("redis://user:sec?ret@db-1", "before its @.*%3F"),
        ("redis://user:1234/0@db-1", "before its @"),
    ],
)
def test_a_target_that_is_no_address_is_refused_with_a_reason(target: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_target(target)
    assert "sec" not in str(caught.value)


@given(st.text(max_size=40) | st.text("redis:/@[]%?#.0123ab", max_size=40))
@settings(max_examples=examples(500))
def test_any_text_gives_addresses_or_a_value_error(target: str) -> None:
    try:
        keys = parse_target(target)
    except ValueError:
        return
    assert 1 <= len(keys) <= 2
    for key in keys:
        url = f"unix://{key.replace('%', '%25')}" if key.startswith("/") else f"redis://{key}"
        assert address_key(parse_shard_url(url)) == key
