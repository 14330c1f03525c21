"""Host names are looked up in threads; simultaneous lookups of a name are shared."""

from __future__ import annotations

import _socket
import socket
import time
from typing import Any

import gevent
import pytest
from gevent import monkey

from zinfo.poll.resolver import ThreadedResolver

ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that the system looked up; each takes 0.1 s, and those with an x fail."""
    names: list[str] = []
    sleep: Any = monkey.get_original("time", "sleep")

    def look_up(host: str, *_how: object) -> Any:
        names.append(host)
        sleep(0.1)  # a slow name server
        if "x" in host:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ANSWER

    monkeypatch.setattr(_socket, "getaddrinfo", look_up)
    return names


def test_simultaneous_lookups_of_a_host_are_shared_for_all_ports(looked_up: list[str]) -> None:
    resolver = ThreadedResolver(gevent.get_hub())
    greenlets = [gevent.spawn(resolver.getaddrinfo, "db", port) for port in (1, 2, 1)]
    gevent.joinall(greenlets, raise_error=True)
    assert looked_up == ["db"]
    assert [one.get()[0][4] for one in greenlets] == [
        ("192.0.2.1", 1),
        ("192.0.2.1", 2),
        ("192.0.2.1", 1),
    ]
    resolver.getaddrinfo("db", 1)
    assert looked_up == ["db", "db"], "results are not cached"


def test_a_caller_can_time_out_and_the_next_one_joins_the_lookup(looked_up: list[str]) -> None:
    resolver = ThreadedResolver(gevent.get_hub())
    with (
        pytest.raises(socket.gaierror, match="takes too long"),
        gevent.Timeout(0.02, TimeoutError()),
    ):
        resolver.getaddrinfo("db", 1)
    assert resolver.getaddrinfo("db", 1)[0][4] == ("192.0.2.1", 1)
    assert looked_up == ["db"]


def test_all_callers_get_the_error_of_an_unknown_name(looked_up: list[str]) -> None:
    resolver = ThreadedResolver(gevent.get_hub())

    def look_up() -> socket.gaierror | None:
        try:
            resolver.getaddrinfo("x", 1)
        except socket.gaierror as error:
            return error
        return None

    errors = [one.get() for one in [gevent.spawn(look_up) for _ in range(2)]]
    assert [error.errno for error in errors if error] == [socket.EAI_NONAME] * 2
    assert errors[0] is not errors[1]


@pytest.mark.parametrize(
    ("host", "found"), [("127.0.0.1", ("127.0.0.1", 7)), ("::1", ("::1", 7, 0, 0))]
)
def test_a_numeric_address_uses_no_thread(host: str, found: tuple[object, ...]) -> None:
    resolver = ThreadedResolver(gevent.get_hub())
    started = time.monotonic()
    (entry,) = resolver.getaddrinfo(host, 7, 0, socket.SOCK_STREAM)
    assert entry[4] == found
    assert len(resolver._threads) == resolver._threads.size == 0
    assert time.monotonic() - started < 1
