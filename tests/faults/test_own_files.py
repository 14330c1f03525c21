"""The daemon has fewer file descriptors than its shards and clients need."""

from __future__ import annotations

import signal
import time
from typing import Any

from tests.bus_subscriber import subscribed
from tests.faults.faulty_daemon import FaultyDaemon
from tests.faults.spinning import SPINS, cpu_per_wait
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.health.fd_limits import FileWatch
from zinfo.health.stats import Stats
from zinfo.shards.events import EventLog

LIMIT = 64
"""Limit of file descriptors; the daemon itself uses about thirty."""

SHARDS = 100
"""Entries for one server; each has its own connection."""

REFUSED = (
    f"out of file descriptors: {LIMIT} are allowed: "
    "raise the limit of open files (LimitNOFILE, ulimit -n)"
)
"""Error of a shard that gets no file descriptor."""

FEW = 10
"""A number of shards that fits into the limit."""


def entries(server: RealServer, count: int) -> str:
    return "".join(f'[[shards]]\nid = "s{n}"\nurl = "{server.url}"\n' for n in range(count))


def states(daemon: FaultyDaemon) -> dict[str, list[dict[str, Any]]]:
    """Return the shards by state."""
    found: dict[str, list[dict[str, Any]]] = {}
    body: Any = daemon.ask("shards").body
    for shard in body:
        found.setdefault(shard["state"], []).append(shard)
    return found


def test_shards_beyond_the_limit_are_refused_and_clients_are_still_served(
    server: RealServer, promise: Promise
) -> None:
    shell = f"ulimit -n {LIMIT}"
    with FaultyDaemon(config_text=entries(server, SHARDS), shell=shell) as daemon:
        wait_until(lambda: "new" not in states(daemon), what="all shards to be tried")
        wait_until(lambda: daemon.events("short_of_files"), what="the event")
        wait_until(
            lambda: {one["error"] for one in states(daemon)["down"]} == {REFUSED}, what="refusals"
        )
        busy = cpu_per_wait(daemon.pid)
        started = time.monotonic()
        daemon.ask("ping")
        with subscribed(daemon.bus, b"z1/hb/") as subscriber:
            subscriber.receive()
        answered = time.monotonic() - started
        found, files = states(daemon), daemon.stats()["files"]
        up, down = found["up"], found["down"]

        daemon.config_path.write_text(entries(server, FEW))
        started = time.monotonic()
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: len(states(daemon).get("up", ())) == FEW, what="few shards, all up")
        wait_until(lambda: not daemon.stats()["files"]["short"], what="enough descriptors")
        recovery = time.monotonic() - started
        promise(
            f"{LIMIT} file descriptors, {SHARDS} shards",
            "reported; answers; waits between polls; recovers",
            f"{len(up)} up, {len(down)} down, {files['open']} of {files['limit']} open, "
            f"{1000 * busy:.1f} ms CPU a wait; ping and subscriber in {answered:.2f} s; "
            f"recovered in {recovery:.1f} s",
        )
        assert files["limit"] == LIMIT
        assert files["short"]
        assert up
        assert "short of file descriptors" in daemon.log()
        assert busy < SPINS
        assert [event.new for event in daemon.events("short_of_files")] == ["yes", "no"]
        # The watcher of these tests opens a file again and again, which may fail; nothing else may.
        assert set(daemon.stats()["faults"]) <= {"OwnWatcher"}


def test_a_shortage_is_reported_once_and_its_end_below_a_lower_bound() -> None:
    stats, log = Stats(), EventLog()
    watch = FileWatch(stats, log)
    for used in (10, 79, 80, 95, 80, 76, 75, 79, 80):
        watch.check(used, 100)
    assert [event.new for event in log.since()] == ["yes", "no", "yes"]
    assert all(event.shard == "" for event in log.since())
    assert stats.as_map()["files"] == {"open": 80, "limit": 100, "short": True}
