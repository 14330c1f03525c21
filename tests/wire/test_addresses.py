from __future__ import annotations

import pytest
import redis

from zinfo import RedisShard, ShardPublisher
from zinfo.adapters.wsgi.host_names import host_of
from zinfo.client.endpoints import checked
from zinfo.poll.tls_connection import verified_name
from zinfo.security.bus_endpoints import overlap
from zinfo.shards.address_index import AddressIndex
from zinfo.shards.connection_options import default_ident
from zinfo.wire.addresses import (
    check_endpoint,
    parse_endpoint,
    parse_listen,
    parse_shard_url,
)


@pytest.mark.parametrize(
    ("url", "clean", "ident"),
    [
        ("redis://localhost", "redis://localhost:6379", "localhost:6379"),
        ("redis://Cache-1.Example.net:7000/3", "redis://cache-1.example.net:7000", None),
        ("rediss://10.0.0.1:6380/", "rediss://10.0.0.1:6380", "10.0.0.1:6380"),
        ("REDIS://[::1]:6379", "redis://[::1]:6379", "[::1]:6379"),
        ("redis://[::1]", "redis://[::1]:6379", "[::1]:6379"),
        ("redis://[FE80::1%enP2]", "redis://[fe80::1%25enP2]:6379", "[fe80::1%enP2]:6379"),
        ("redis://[fe80::1%25enP2]", "redis://[fe80::1%25enP2]:6379", "[fe80::1%enP2]:6379"),
        ("redis://[fe80::1%25]", "redis://[fe80::1%2525]:6379", "[fe80::1%25]:6379"),
        ("redis://[fe80::1%2525]", "redis://[fe80::1%2525]:6379", "[fe80::1%25]:6379"),
        ("redis://[fe80::1%2]", "redis://[fe80::1%252]:6379", "[fe80::1%2]:6379"),
        ("redis://my_service:6379", "redis://my_service:6379", "my_service:6379"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock", "/run/redis.sock"),
        ("unix:///run/a%20b@c.sock", "unix:///run/a%20b@c.sock", "/run/a b@c.sock"),
    ],
)
def test_a_shards_url_gives_its_id(url: str, clean: str, ident: str | None) -> None:
    address = parse_shard_url(url)
    assert address.url == clean
    assert address.ident == (ident or clean.partition("://")[2])
    assert (address.username, address.password) == (None, None)
    assert address.tls == url.startswith("rediss")
    assert default_ident(address.url) == address.ident  # what a shard calls itself


@pytest.mark.parametrize(
    ("url", "username", "password"),
    [
        ("redis://user:secret@h", "user", "secret"),
        ("redis://:secret@h", None, "secret"),
        ("redis://user@h", "user", None),
        ("redis://user:@h", "user", None),
        ("redis://@h", None, None),
        ("redis://us%40er:a%3Ab%2Fc%25@h", "us@er", "a:b/c%"),
        ("redis://user:a:b@c@h", "user", "a:b@c"),
        ("unix://user:secret@/run/redis.sock", "user", "secret"),
    ],
)
def test_user_and_password_are_removed_from_the_url(
    url: str, username: str | None, password: str | None
) -> None:
    address = parse_shard_url(url)
    assert (address.username, address.password) == (username, password)
    assert "@" not in address.url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "no scheme"),
        ("localhost:6379", "no scheme"),
        ("http://localhost:6379", "scheme is not supported"),
        ("redis://", "no host"),
        ("redis://:6379", "no host"),
        ("redis://*:6379", r"\*"),
        ("redis://h:0", "port"),
        ("redis://h:65536", "port"),
        ("redis://h:", "port"),
        ("redis://h:6379x", "port"),
        ("redis://h:\u0661", "port"),
        ("redis://h:1:2", r"IPv6 address must be in \[ \]"),
        ("redis://::1", r"IPv6 address must be in \[ \]"),
        ("redis://[::1:6379", r"IPv6 address must be in \[ \]"),
        ("redis://[host]:1", "not an IPv6 address"),
        ("redis://a..b", "not a name"),
        ("redis://a/b/c", "database"),
        ("redis://h/keys", "database"),
        ("redis://h?db=1", "set by keys"),
        ("redis://h#1", "set by keys"),
        ("redis://:a/b@h", "before its @"),
        ("redis://h\n:1", "white space or control"),
        ("redis://a b", "white space or control"),
        ("redis://" + "a" * 254, "not a name"),
        ("unix://run/redis.sock", "absolute"),
        ("unix:///", "2 to 107 bytes"),
        ("unix:///" + "a" * 107, "2 to 107 bytes"),
        ("unix:///a%00b", "none of them 0"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_shard_url(url)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://127.0.0.1:9736",
        "tcp://*:9736",
        "tcp://localhost:*",
        "tcp://*:*",
        "tcp://[::1]:9736",
        "tcp://eth0:9736",
        "ipc:///run/zinfo/query",
        "ipc://@zinfo",
    ],
)
def test_an_endpoint_that_can_be_bound_is_returned_unchanged(endpoint: str) -> None:
    assert check_endpoint(endpoint) == endpoint


@pytest.mark.parametrize(
    ("endpoint", "plain"),
    [
        ("tcp://[fe80::1%25enP2p1s0]:9736", "tcp://[fe80::1%enP2p1s0]:9736"),
        ("tcp://[fe80::1%25enP2p1s0]:*", "tcp://[fe80::1%enP2p1s0]:*"),
        ("tcp://[fe80::1%25]:9736", "tcp://[fe80::1%25]:9736"),
        ("ipc:///run/%25a", "ipc:///run/%25a"),
    ],
)
def test_an_encoded_zone_is_decoded_for_libzmq(endpoint: str, plain: str) -> None:
    assert check_endpoint(endpoint) == plain
    if not endpoint.endswith("*"):
        assert checked(endpoint) == plain


def test_the_case_of_a_zone_counts_in_all_comparisons() -> None:
    lower, upper = (parse_endpoint(f"tcp://[{ip}]:1") for ip in ("fe80::1%e0", "FE80::1%E0"))
    same = parse_endpoint("tcp://[FE80::1%e0]:1")
    assert not overlap(lower, upper)
    assert overlap(lower, same)
    publisher = ShardPublisher()
    index = AddressIndex(publisher)
    publisher.add_shard(RedisShard("s", redis.Redis(host="FE80::1%E0", port=1)))
    assert [list(index.at(f"[fe80::1%{zone}]:1")) != [] for zone in ("e0", "E0")] == [False, True]


@pytest.mark.parametrize("zone", ["%enP2p1s0", "%25enP2p1s0", ""])
def test_a_host_header_may_have_a_zone(zone: str) -> None:
    assert host_of(f"[FE80::1{zone}]:9121") == "fe80::1"


def test_a_certificate_has_no_zone_and_no_final_dot() -> None:
    assert [verified_name(host) for host in ("fe80::1%E0", "db.example.", "10.0.0.1")] == [
        "fe80::1",
        "db.example",
        "10.0.0.1",
    ]


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("127.0.0.1:9736", "no scheme"),
        ("inproc://zinfo", "another process"),
        ("udp://h:1", "scheme is not supported"),
        ("tcp://h", "no port"),
        ("tcp://h:0", "port"),
        ("tcp://h:99999", "port"),
        ("tcp://:9736", "no host"),
        ("tcp://::1:9736", "IPv6"),
        ("tcp://h:1/path", "port"),
        ("tcp://a;b:1", "not a name"),
        ("ipc://", "1 to 107 bytes"),
        ("ipc://" + "a" * 108, "1 to 107 bytes"),
        ("ipc://a\tb", "white space or control"),
    ],
)
def test_an_endpoint_that_cannot_be_bound_is_refused_with_a_reason(
    endpoint: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        check_endpoint(endpoint)


@pytest.mark.parametrize("endpoint", ["tcp://*:9736", "tcp://localhost:*", "ipc://*"])
def test_an_endpoint_for_clients_has_no_star(endpoint: str) -> None:
    assert check_endpoint(endpoint) == endpoint
    with pytest.raises(ValueError, match="clients cannot connect"):
        check_endpoint(endpoint, for_clients=True)


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
        ("[fe80::1%enP2p1s0]:80", ("fe80::1%enP2p1s0", 80)),
        ("[fe80::1%25enP2p1s0]:80", ("fe80::1%enP2p1s0", 80)),
    ],
)
def test_host_and_port_of_a_listening_address(listen: str, address: tuple[str, int]) -> None:
    assert parse_listen(listen) == address


@pytest.mark.parametrize("listen", ["localhost", ":80", "*:80", "::1:80", "h:x", "h:70000", "h:"])
def test_a_listening_address_without_host_or_port_is_refused(listen: str) -> None:
    with pytest.raises(ValueError, match=r"host|port|IPv6"):
        parse_listen(listen)
