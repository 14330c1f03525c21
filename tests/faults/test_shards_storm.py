"""Many shards go down at once and come back at once."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

import pytest

from tests.faults.peers import INFO, Peer, bulk
from tests.faults.watched import LONG, WatchingDaemon, watching_daemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until

BACKOFF_MAX = 5.0
"""The default of max_backoff, in seconds."""


@pytest.mark.parametrize(
    ("shards", "servers", "failures", "most"),
    [
        (50, 2, 2, 8),
        pytest.param(*(500, 4, 5, 32), marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_shards_that_fail_and_recover_together_are_all_up_again(
    shards: int, servers: int, failures: int, most: int, promise: Promise
) -> None:
    with contextlib.ExitStack() as stack:
        real = [stack.enter_context(RealServer()) for _ in range(servers)]
        watching = stack.enter_context(
            watching_daemon(max_connecting=most, max_backoff=BACKOFF_MAX)
        )
        watching.watch_all({f"s{n:03}": real[n % servers].url for n in range(shards)})
        watching.wait_polled(2, 2 * LONG)
        since, killed = watching.newest(), time.time()
        for server in real:
            server.kill()
        downs = _wait_events(watching, since, "down", shards)
        wait_until(
            lambda: min(facts["failures"] for facts in watching.all_facts()) >= failures,
            LONG,
            "all to fail again",
        )
        back = time.time()
        for server in real:
            server.start()
        ups = _wait_events(watching, since, "up", shards)
        poll = watching.stats()["poll"]
        promise(
            f"{shards} shards die, and return after {back - killed:.1f} s",
            f"all up; {most} connections are made at a time",
            f"down in {max(downs.values()) - killed:.2f} s, "
            f"up in {max(ups.values()) - back:.2f} s; "
            f"{poll['most_connecting']} at a time",
        )
        assert 1 < poll["most_connecting"] <= most
        assert watching.stats()["poll"]["connecting"] == 0
        assert poll["errors"] == 0


def _wait_events(watching: WatchingDaemon, since: int, type_: str, count: int) -> dict[str, float]:
    """Wait for the first event of a type of `count` shards; return the time of each."""

    def found() -> dict[str, float] | None:
        events: Any = watching.daemon.ask("events", since=since).body
        times = {e["shard"]: e["time"] for e in reversed(events) if e["type"] == type_}
        return times if len(times) == count else None

    times = wait_until(found, 2 * LONG, f"{count} events {type_}")
    assert times is not None
    return times


class SlowHandshakes:
    """A server with slow handshakes, which counts those that run at the same time.

    Args:
        seconds: from a connection's first command to the answer.

    Attributes:
        most: connections that had no first INFO yet at the same time, at most.
        peer: the server.
    """

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self.peer = Peer(self._answer)
        self.peer.bad = True  # so that the answer function is called each time
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
            with self._lock:  # before the reply, after which the client may start another
                self._under_way.discard(connection)
                self._served.add(connection)
        connection.sendall(bulk(INFO) if is_info else b"+OK\r\n")
        return False

    def cut(self) -> None:
        """Close all connections."""
        with self._lock:
            for connection in self._served:
                connection.shutdown(socket.SHUT_RDWR)
            # They stay in the set: a last INFO may not have reached the thread of a connection yet.


def test_a_server_sees_no_more_simultaneous_handshakes_than_allowed(promise: Promise) -> None:
    most, shards = 8, 50
    counting = SlowHandshakes(0.05)
    with counting.peer as peer, watching_daemon(max_connecting=most) as watching:
        watching.watch_all({f"s{n:02}": peer.url for n in range(shards)})
        watching.wait_polled(2, 2 * LONG)
        at_the_start, counting.most = counting.most, 0
        since = watching.newest()
        counting.cut()
        _wait_events(watching, since, "polling_error", shards)
        gauge = watching.stats()["poll"]["most_connecting"]
        promise(
            f"{shards} connections are cut at once",
            f"{most} are made at a time, as the server sees it",
            f"{at_the_start} at the start, {counting.most} after the cut; zinfo counts {gauge}",
        )
        assert 1 < at_the_start <= most
        assert 1 < counting.most <= most
        assert gauge == most
