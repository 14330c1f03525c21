"""Clients that do not read: others lose nothing, and the memory for them is limited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.client.mirror_process import mirror_process
from tests.daemons import RunningDaemon
from tests.faults.consuming import (
    MIB,
    QUICK,
    consumer_process,
    grow_info,
    resident,
    stats,
    watching,
)
from tests.promises import Promise
from tests.security.zmtp import RawPeer
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.wire.bus_messages import topic
from zinfo.wire.query_messages import Request, encode_request

DATABASES = 5000
HIGH_WATER_MARK = 20
ON_REQUEST = {
    "ZINFO_POLL_MIN_INTERVAL": "3600",
    "ZINFO_POLL_MAX_INTERVAL": "3600",
    "ZINFO_QUERY_MIN_REFRESH_INTERVAL": "0",
}
"""Polls only when a query requests it: no message comes before the one before it was received."""


@pytest.fixture(scope="module")
def big() -> Iterator[RealServer]:
    """A server whose INFO is long."""
    with RealServer(args=("--databases", str(DATABASES))) as server:
        grow_info(server, DATABASES)
        yield server


def test_a_stopped_subscriber_affects_no_other_and_recovers(
    big: RealServer, promise: Promise
) -> None:
    size = len(big.info_text())
    environ = {
        **ON_REQUEST,
        "ZINFO_BUS_HIGH_WATER_MARK": str(HIGH_WATER_MARK),
        "ZINFO_POLL_MAX_FIELDS": str(2 * DATABASES),
    }
    with (
        RunningDaemon([big.url], environ=environ) as daemon,
        watching(daemon.bus, topic("info"), partial(_poll, daemon)) as healthy,
        consumer_process(daemon.query, "info") as slow,
        mirror_process(daemon.query) as mirror,
    ):

        def polled() -> bool:
            """Poll once; return whether the slow subscriber has had a message."""
            _poll(daemon)
            return bool(slow.look()["messages"])

        wait_until(polled, what="the subscriber to follow")
        wait_until(lambda: not mirror.look()["stale"], what="the mirror to be fresh")
        before, begin = resident(daemon), len(healthy.seqs)
        slow.suspend()
        mirror.suspend()
        for _ in range(110):
            received = len(healthy.seqs)
            _poll(daemon)
            wait_until(partial(healthy.has_more_than, received), what="the message of a poll")
        most = resident(daemon)
        sent = (len(healthy.seqs) - begin) * size
        slow.resume()
        mirror.resume()
        resumed = time.monotonic()

        def gap() -> dict[str, int]:
            _poll(daemon)
            return _with_gap(slow.look())

        said = wait_until(gap, what="the gap")
        wait_until(lambda: not mirror.look()["stale"], what="the mirror to be fresh again")
        took = time.monotonic() - resumed
        grown = (most - before) / MIB
        promise(
            f"subscriber stopped while {sent / MIB:.0f} MiB are published",
            "memory within the high-water mark; others get each message; a Gap",
            f"+{grown:.1f} MiB (mark: {HIGH_WATER_MARK * size / MIB:.1f}); others lost "
            f"{healthy.lost}, latest {healthy.latest(begin):.3f} s; fresh again after {took:.1f} s",
        )
        assert sent > 15 * MIB
        assert grown < HIGH_WATER_MARK * size / MIB + 6
        assert healthy.lost == 0
        assert said["unnoticed"] == 0


def _poll(daemon: RunningDaemon) -> None:
    """Have the shard polled, which publishes its INFO."""
    reply = daemon.ask("get_infos", keys=["role"], refresh=True)
    assert reply.error is None


def _with_gap(said: dict[str, int]) -> dict[str, int]:
    return said if said["gaps"] or said["unnoticed"] else {}


def test_replies_that_a_client_never_reads_are_dropped_and_counted(
    server: RealServer, promise: Promise
) -> None:
    request = encode_request(Request("get_infos"))
    with (
        RunningDaemon([server.url], environ=QUICK) as daemon,
        watching(daemon.bus, topic("info")) as healthy,
        RawPeer(daemon.query, rcvbuf=4096) as greedy,
    ):
        before, begin = resident(daemon), len(healthy.seqs)

        def dropped() -> int:
            return int(stats(daemon)["query"]["dropped"].get("client does not read", 0))

        sent, worst = 0, 0.0
        while sent < 1600:
            for _ in range(40):  # fewer than the share of one client, so none is refused
                greedy.send(b"", *request)
            sent += 40
            handled = partial(_handled, daemon, sent)
            worst = max(worst, _seconds(handled))
            wait_until(handled, what=f"{sent} requests to be handled")
        grown = (resident(daemon) - before) / MIB
        lost = wait_until(dropped, what="replies that were dropped")
        promise(
            f"client sends {sent} requests and reads nothing",
            "100 replies held, the others dropped and counted; others served",
            f"+{grown:.1f} MiB, {lost} dropped, slowest other reply {worst:.3f} s, "
            f"bus lost {healthy.lost}, latest {healthy.latest(begin):.3f} s",
        )
        assert sent - lost < 100 + 4 * MIB // 5000  # plus the kernel's buffers
        assert grown < 25
        assert healthy.lost == 0


def _handled(daemon: RunningDaemon, count: int) -> bool:
    return int(stats(daemon)["query"]["requests"].get("get_infos", 0)) >= count


def _seconds(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun
