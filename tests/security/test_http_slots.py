"""Connection slots: quotas of peers and clients, and reserved slots for health probes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import ip_network

import gevent
import gevent.socket
import pytest

from tests.promises import Promise
from tests.security.http_serving import (
    EchoServer,
    connect,
    parse_response,
    quick,
    read_all,
    request,
    response_to,
    serving,
)
from tests.waiting import wait_until
from zinfo.adapters.wsgi.client_quotas import LOCAL, ClientQuotas, peer_of
from zinfo.adapters.wsgi.connection_slots import RESERVED_SLOTS

PARTIAL = b"GET / HTTP/1.1\r\nX: "
KEEPING = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def crowd(
    http_server: EchoServer, number: int, data: bytes = PARTIAL
) -> Iterator[list[gevent.socket.socket]]:
    """Hold connections open on which data was sent."""
    with ExitStack() as stack:
        before, full = (
            http_server.connections,
            3 * http_server._policy.slots.total // 4 + RESERVED_SLOTS,
        )
        many = [stack.enter_context(closing(connect(http_server, data))) for _ in range(number)]
        most = min(before + number, full)
        wait_until(lambda: http_server.connections >= most, what="them", sleep=gevent.sleep)
        yield many


def test_unfinished_heads_do_not_block_probes(promise: Promise) -> None:
    with (
        serving(connections=40) as http_server,
        crowd(http_server, 40 + RESERVED_SLOTS - 10) as many,
    ):
        statuses = [response_to(http_server, request("/healthz")).status for _ in range(10)]
        others = response_to(http_server, request("/other"))
        assert others.headers["retry-after"] == "1"
        more = [connect(http_server, PARTIAL) for _ in range(30)]
        statuses += [response_to(http_server, request("/healthz")).status for _ in range(10)]
        connections = http_server.connections
        for one in more:
            one.close()
    promise(
        f"{len(many) + 30} unfinished heads, 40 slots and {RESERVED_SLOTS} reserved ones",
        "health 200, others 503 or served",
        f"health {set(statuses)}, others {others.status}, {connections} connections at most",
    )
    assert set(statuses) == {200}
    assert others.status == 503
    assert connections <= 40 + 2 * RESERVED_SLOTS


def test_the_longest_idle_connection_is_closed_for_a_new_request(promise: Promise) -> None:
    """A connection without a request is closed if another one needs its slot."""
    for data in (PARTIAL, KEEPING):
        with serving(connections=8) as http_server, crowd(http_server, 6, data):
            wait_until(
                lambda: response_to(http_server, request("/other")).status == 200,
                what="a response",
                sleep=gevent.sleep,
            )
            statuses = {response_to(http_server, request("/other")).status for _ in range(4)}
            promise(f"6 of 6 wait after {data[:20]!r}", "others are served", str(statuses))
            assert statuses == {200}
            assert http_server.connections <= 6


def test_responses_in_progress_are_not_interrupted(promise: Promise) -> None:
    with serving(connections=8) as http_server, crowd(http_server, 6, request("/wait")) as working:
        other = response_to(http_server, request("/other"))
        health = response_to(http_server, request("/healthz", "Connection: keep-alive"))
        elsewhere = response_to(http_server, request("/other"), "127.0.0.2")
        http_server.streaming.set()
        bodies = {parse_response(read_all(one)).status for one in working}
    promise(
        "6 of 8 connections of this machine are busy",
        "the next ones: health only",
        f"{other.status}, health {health.status}; the 6 ended with {bodies}",
    )
    assert (other.status, health.status, elsewhere.status) == (503, 200, 503)
    assert bodies == {200}


def test_a_probe_on_a_reserved_slot_has_a_shorter_timeout(promise: Promise) -> None:
    times = quick(reserved_head=0.2, head=60)
    with (
        serving(connections=4, times=times) as http_server,
        crowd(http_server, 3, request("/wait")),
    ):
        response = response_to(http_server, PARTIAL)
        promise("an unfinished head on a reserved slot", "408 sooner", str(response.status))
        assert response.status == 408
        assert b"0.2 s" in response.body


def test_a_client_has_one_quota_over_all_its_addresses(promise: Promise) -> None:
    mine, other = "X-Name: mine", "X-Name: other"
    with (
        serving(connections=16) as http_server,
        crowd(http_server, 4, request("/wait", mine)) as working,
    ):
        wait_until(lambda: len(http_server.requested) == 4, what="them", sleep=gevent.sleep)
        statuses = [response_to(http_server, request("/a", name)).status for name in (mine, other)]
        health = response_to(http_server, request("/healthz", mine)).status
        promise("4 of 16 connections are one client's", "429 for the next", f"{statuses}, {health}")
        assert (statuses, health) == ([429, 200], 200)
        working.pop().close()
        http_server.streaming.set()
        wait_until(lambda: http_server.connections < 4, what="room", sleep=gevent.sleep)
        assert response_to(http_server, request("/a", mine)).body == b"/a of mine: "


def test_a_connection_counts_for_the_client_of_its_last_request() -> None:
    with serving(connections=4) as http_server, closing(connect(http_server)) as connection:
        for name in ("a", "b", "a"):
            connection.sendall(KEEPING.replace(b"\r\n\r\n", f"\r\nX-Name: {name}\r\n\r\n".encode()))
            read = b""
            while f"of {name}".encode() not in read:
                read += connection.recv(65536)
        assert response_to(http_server, request("/", "X-Name: b")).status == 200
        assert response_to(http_server, request("/", "X-Name: a")).status == 429


def test_slots_are_released() -> None:
    with serving(connections=4) as http_server:
        for _ in range(3):
            with crowd(http_server, 20 + RESERVED_SLOTS):
                pass
            wait_until(
                lambda: not http_server.connections, what="no connections", sleep=gevent.sleep
            )
        places = http_server._policy.slots
        assert not places._used
        assert not places._reserved
        assert len(places._peer_quotas) == 0


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("127.0.0.1", LOCAL),
        ("127.9.9.9", LOCAL),
        ("::1", LOCAL),
        ("::ffff:127.0.0.1", LOCAL),
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("10.1.2.3", "proxy 10.1.2.3"),
    ],
)
def test_a_peer_is_an_address_or_the_network_of_one_host(address: str, peer: str) -> None:
    assert peer_of(address, [ip_network("10.1.0.0/16")]) == peer


def test_shares_are_a_quarter_and_three_quarters_where_many_share_an_address() -> None:
    for holder, most in (("10.0.0.1", 25), (LOCAL, 75), ("proxy 10.1.2.3", 75)):
        shares = ClientQuotas(100)
        taken = sum(shares.acquire(holder) for _ in range(200))
        assert taken == most
        assert shares.acquire("10.9.9.9"), "another one has its own"
    shares = ClientQuotas(100)
    assert sum(shares.acquire(f"10.0.0.{n}") for n in range(200)) == 100
    assert ClientQuotas(1).acquire("10.0.0.1"), "at least one"
    both = ClientQuotas(8)
    assert both.acquire("10.0.0.1", "client a")
    assert both.acquire("10.0.0.2", "client a")
    assert not both.acquire("10.0.0.3", "client a")
    both.release("10.0.0.2", "client a")
    assert both.acquire("10.0.0.3", "client a")
