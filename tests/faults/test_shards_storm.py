"""Many shards die at once and come back at once."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

import pytest

from tests.faults.peers import INFO, Peer, bulk
from tests.faults.watched import SLACK, House, house
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until

WHOLE = 10.0
"""Seconds after their return within which all are up again."""

BACKOFF_MAX = 5.0
"""The default: seconds between two tries of a shard that is down, at most."""


@pytest.mark.parametrize(
    ("shards", "servers", "away", "most"),
    [
        (50, 2, 1.0, 8),
        pytest.param(*(500, 4, 15.0, 32), marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
    ],
)
def test_shards_that_die_and_return_together_are_whole_again_in_time(
    shards: int, servers: int, away: float, most: int, promise: Promise
) -> None:
    with contextlib.ExitStack() as stack:
        real = [stack.enter_context(RealServer()) for _ in range(servers)]
        home = stack.enter_context(house(max_connecting=most, max_backoff=BACKOFF_MAX))
        home.watch_all({f"s{n:03}": real[n % servers].url for n in range(shards)})
        home.wait_polled(2, 60)
        since, killed = home.newest(), time.time()
        for server in real:
            server.kill()
        downs = _wait_events(home, since, "down", shards)
        while time.time() < killed + away:
            time.sleep(0.05)
        back = time.time()
        for server in real:
            server.start()
        ups = _wait_events(home, since, "up", shards)
        poll = home.stats()["poll"]
        promise(
            f"{shards} shards die, and return after {away:g} s",
            f"all up within {WHOLE:g} s; {most} connections are made at a time",
            f"down in {max(downs.values()) - killed:.2f} s, "
            f"up in {max(ups.values()) - back:.2f} s; "
            f"{poll['most_connecting']} at a time",
        )
        assert max(ups.values()) - back <= WHOLE
        assert 1 < poll["most_connecting"] <= most
        assert home.stats()["poll"]["connecting"] == 0
        assert max(downs.values()) - killed <= 2 + SLACK
        assert poll["errors"] == 0


def _wait_events(home: House, since: int, type_: str, count: int) -> dict[str, float]:
    """Wait for the first event of a type of so many shards; the time of each."""

    def found() -> dict[str, float] | None:
        events: Any = home.daemon.ask("events", since=since).body
        times = {e["shard"]: e["time"] for e in reversed(events) if e["type"] == type_}
        return times if len(times) == count else None

    times = wait_until(found, 60, f"{count} events {type_}")
    assert times is not None
    return times


class Counting:
    """A server that takes its time for the handshake, and counts those that are under way.

    Args:
        seconds: from a connection's first command to the answer.

    Attributes:
        most: connections that had no first INFO yet at the same time, at most.
        peer: the server.
    """

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self.peer = Peer(self._answer)
        self.peer.bad = True  # so that it is asked each time
        self._seconds = seconds
        self._under_way: set[socket.socket] = set()
        self._served: set[socket.socket] = set()
        self._lock = threading.Lock()

    def _answer(self, _peer: Peer, connection: socket.socket, words: list[bytes]) -> bool:
        is_info = words[0].upper() == b"INFO"
        with self._lock:
            if connection not in self._served:
                self._under_way.add(connection)
                self.most = max(self.most, len(self._under_way))
        if not is_info:
            time.sleep(self._seconds)
        else:
            with self._lock:  # before the answer: who has it may begin with the next at once
                self._under_way.discard(connection)
                self._served.add(connection)
        connection.sendall(bulk(INFO) if is_info else b"+OK\r\n")
        return False

    def cut(self) -> None:
        """End all connections."""
        with self._lock:
            for connection in self._served:
                connection.shutdown(socket.SHUT_RDWR)
            # They stay among the served: a last INFO of one may still be on its way to its thread.


def test_a_server_sees_no_more_connections_being_made_than_allowed(promise: Promise) -> None:
    most, shards = 8, 50
    counting = Counting(0.05)
    with counting.peer as peer, house(max_connecting=most) as home:
        home.watch_all({f"s{n:02}": peer.url for n in range(shards)})
        home.wait_polled(2, 60)
        at_the_start, counting.most = counting.most, 0
        since = home.newest()
        counting.cut()
        _wait_events(home, since, "polling_error", shards)
        gauge = home.stats()["poll"]["most_connecting"]
        promise(
            f"{shards} connections are cut at once",
            f"{most} are made at a time, as the server sees it",
            f"{at_the_start} at the start, {counting.most} after the cut; zinfo counts {gauge}",
        )
        assert 1 < at_the_start <= most
        assert 1 < counting.most <= most
        assert gauge == most
