"""Host names are looked up in threads; simultaneous lookups of a name are shared."""

from __future__ import annotations

import _socket
import os
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from zinfo.poll.resolver import ThreadedResolver

ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]


class NameServer:
    """Answers a lookup when the test calls `answer`; names with an x are unknown.

    Attributes:
        looked_up: the names that the system looked up.
    """

    def __init__(self) -> None:
        self.looked_up: list[str] = []
        self._lookups, self._answers = os.pipe()

    def answer(self) -> None:
        """Answer one lookup, now or when it comes."""
        os.write(self._answers, b"x")

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._lookups)
        os.close(self._answers)

    def look_up(self, host: str, *_how: object) -> Any:
        """Called in a thread, in place of the system's function."""
        self.looked_up.append(host)
        os.read(self._lookups, 1)
        if "x" in host:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ANSWER


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """The name server of the process."""
    made = NameServer()
    monkeypatch.setattr(_socket, "getaddrinfo", made.look_up)
    yield made
    made.close()


def test_simultaneous_lookups_of_a_host_are_shared_for_all_ports(name_server: NameServer) -> None:
    resolver = ThreadedResolver(gevent.get_hub())
    greenlets = [gevent.spawn(resolver.getaddrinfo, "db", port) for port in (1, 2, 1)]
    gevent.sleep(0)  # all three have begun
    name_server.answer()
    gevent.joinall(greenlets, raise_error=True)
    assert name_server.looked_up == ["db"]
    assert [one.get()[0][4] for one in greenlets] == [
        ("192.0.2.1", 1),
        ("192.0.2.1", 2),
        ("192.0.2.1", 1),
    ]
    name_server.answer()
    resolver.getaddrinfo("db", 1)
    assert name_server.looked_up == ["db", "db"], "results are not cached"


def test_a_caller_can_time_out_and_the_next_one_joins_the_lookup(name_server: NameServer) -> None:
    resolver = ThreadedResolver(gevent.get_hub())
    with (
        pytest.raises(socket.gaierror, match="takes too long"),
        gevent.Timeout(0.02, TimeoutError()),
    ):
        resolver.getaddrinfo("db", 1)
    next_one = gevent.spawn(resolver.getaddrinfo, "db", 1)
    gevent.sleep(0)  # it has begun
    name_server.answer()
    assert next_one.get()[0][4] == ("192.0.2.1", 1)
    assert name_server.looked_up == ["db"]


def test_all_callers_get_the_error_of_an_unknown_name(name_server: NameServer) -> None:
    resolver = ThreadedResolver(gevent.get_hub())

    def look_up() -> socket.gaierror | None:
        try:
            resolver.getaddrinfo("x", 1)
        except socket.gaierror as error:
            return error
        return None

    callers = [gevent.spawn(look_up) for _ in range(2)]
    gevent.sleep(0)  # both have begun
    name_server.answer()
    errors = [one.get() for one in callers]
    assert [error.errno for error in errors if error] == [socket.EAI_NONAME] * 2
    assert errors[0] is not errors[1]


@pytest.mark.parametrize(
    ("host", "found"), [("127.0.0.1", ("127.0.0.1", 7)), ("::1", ("::1", 7, 0, 0))]
)
def test_a_numeric_address_uses_no_thread(host: str, found: tuple[object, ...]) -> None:
    resolver = ThreadedResolver(gevent.get_hub())
    (entry,) = resolver.getaddrinfo(host, 7, 0, socket.SOCK_STREAM)
    assert entry[4] == found
    assert len(resolver._threads) == resolver._threads.size == 0
