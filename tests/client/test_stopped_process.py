"""A Mirror whose process was stopped: queued messages are old, and many were dropped."""

from __future__ import annotations

import time
from operator import methodcaller
from typing import Any

import pytest

from tests.client.mirror_process import digest, mirror_process
from tests.client.other_process import OtherProcess
from tests.client.wire_peer import WirePeer
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until

BIG = 300_000  # bytes; some dozens of these are more than the kernel buffers for a connection
QUICK = {
    "ZINFO_POLL_MIN_INTERVAL": "0.05",
    "ZINFO_POLL_MAX_INTERVAL": "0.1",
    "ZINFO_BUS_HEARTBEAT": "0.3",
    "ZINFO_BUS_HIGH_WATER_MARK": "10",
}


def held(peer: WirePeer) -> dict[str, tuple[int, str]]:
    """What the peer has: revision and digest of each shard."""
    return peer.do(
        lambda daemon: {
            shard: (known.revision, digest(known.info)) for shard, known in daemon.shards.items()
        }
    )


def equal(said: dict[str, Any], there: dict[str, tuple[int, str]]) -> bool:
    """Whether all shards are fresh and equal."""
    return not said["stale"] and said["shards"] == {
        shard: [revision, True, value] for shard, (revision, value) in there.items()
    }


def flood(peer: WirePeer, number: int) -> None:
    for shard in ("a", "b", "c"):
        peer.do(methodcaller("poll", shard, {"big": f"{number}" * BIG}))


def check_fresh(said: dict[str, Any], peer: WirePeer) -> None:
    """Every fresh shard is what the peer had at that revision."""
    known = peer.do(lambda daemon: dict(daemon.infos))
    for shard, (revision, fresh, value) in said["shards"].items():
        assert not fresh or digest(known[shard, revision]) == value


def first_after_resume(mirror: OtherProcess) -> dict[str, Any]:
    """Resume the process, and return the first that it says."""
    mirror.ask()
    mirror.resume()
    return mirror.answer()


def is_stale_or_joined_again(said: dict[str, Any]) -> bool:
    """Whether nothing from before the interruption passes for fresh."""
    if said["counters"]["joins"] > 1:
        return True
    return said["stale"] and not any(fresh for _, fresh, _ in said["shards"].values())


@pytest.mark.parametrize("seconds", [0.3, 1.5])
def test_after_messages_were_dropped_it_is_equal_again(seconds: float) -> None:
    """Stopped for less, and for more, than three heartbeats."""
    with (
        WirePeer("a", "b", "c", interval=0.4, high_water_mark=5) as peer,
        mirror_process(peer.query) as mirror,
    ):
        wait_until(lambda: equal(mirror.look(), held(peer)), what="a fresh mirror")
        mirror.suspend()
        begun = time.monotonic()
        for number in range(20):
            flood(peer, number % 10)
        wait_until(lambda: time.monotonic() - begun > seconds, what="the time to pass")
        said = first_after_resume(mirror)
        check_fresh(said, peer)
        if seconds > 3 * 0.4:
            assert is_stale_or_joined_again(said)
        wait_until(lambda: equal(mirror.look(), held(peer)), what="the mirror to be fresh again")
        counters = mirror.look()["counters"]
        assert counters["gaps"] or counters["joins"] > 1


def test_against_a_real_daemon_it_is_equal_again() -> None:
    with (
        RealServer() as server,
        RunningDaemon([server.url], environ=QUICK) as daemon,
        mirror_process(daemon.query) as mirror,
    ):
        daemon.wait_polled(1)
        wait_until(lambda: not mirror.look()["stale"], what="a fresh mirror")
        mirror.suspend()
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 1.5, what="the time to pass")
        assert is_stale_or_joined_again(first_after_resume(mirror))
        wait_until(lambda: same_revision(mirror, daemon), what="the mirror to be fresh again")


def same_revision(mirror: OtherProcess, daemon: RunningDaemon) -> bool:
    """Compare when both have the same revision; False where they have not."""
    body: Any = daemon.ask("snapshot").body
    said = mirror.look()
    (entry,) = body
    revision, fresh, value = said["shards"][entry["shard"]]
    if said["stale"] or not fresh or revision != entry["revision"]:
        return False
    assert value == digest(entry["info"])
    return True
