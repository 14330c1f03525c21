"""Host names are looked up apart, once for all who ask at the same time."""

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
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that the system was asked for; each takes it a while, those with x fail."""
    names: list[str] = []
    sleep: Any = monkey.get_original("time", "sleep")

    def look_up(host: str, *_how: object) -> Any:
        names.append(host)
        sleep(0.1)  # a name server that takes a while
        if "x" in host:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ANSWER

    monkeypatch.setattr(_socket, "getaddrinfo", look_up)
    return names


def test_tries_at_the_same_time_share_a_lookup_whatever_the_port(asked: list[str]) -> None:
    names = ThreadedResolver(gevent.get_hub())
    tries = [gevent.spawn(names.getaddrinfo, "db", port) for port in (1, 2, 1)]
    gevent.joinall(tries, raise_error=True)
    assert asked == ["db"]
    assert [one.get()[0][4] for one in tries] == [
        ("192.0.2.1", 1),
        ("192.0.2.1", 2),
        ("192.0.2.1", 1),
    ]
    names.getaddrinfo("db", 1)
    assert asked == ["db", "db"], "nothing is remembered"


def test_who_has_waited_long_enough_goes_and_the_next_joins(asked: list[str]) -> None:
    names = ThreadedResolver(gevent.get_hub())
    with (
        pytest.raises(socket.gaierror, match="takes too long"),
        gevent.Timeout(0.02, TimeoutError()),
    ):
        names.getaddrinfo("db", 1)
    assert names.getaddrinfo("db", 1)[0][4] == ("192.0.2.1", 1)
    assert asked == ["db"]


def test_an_unknown_name_is_told_to_all_who_ask(asked: list[str]) -> None:
    names = ThreadedResolver(gevent.get_hub())

    def ask() -> socket.gaierror | None:
        try:
            names.getaddrinfo("x", 1)
        except socket.gaierror as error:
            return error
        return None

    errors = [one.get() for one in [gevent.spawn(ask) for _ in range(2)]]
    assert [error.errno for error in errors if error] == [socket.EAI_NONAME] * 2
    assert errors[0] is not errors[1]


@pytest.mark.parametrize(
    ("host", "found"), [("127.0.0.1", ("127.0.0.1", 7)), ("::1", ("::1", 7, 0, 0))]
)
def test_an_address_takes_no_thread(host: str, found: tuple[object, ...]) -> None:
    names = ThreadedResolver(gevent.get_hub())
    began = time.monotonic()
    (entry,) = names.getaddrinfo(host, 7, 0, socket.SOCK_STREAM)
    assert entry[4] == found
    assert len(names._threads) == names._threads.size == 0
    assert time.monotonic() - began < 1
