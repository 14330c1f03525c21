"""A part of zinfo fails in a way that nobody foresaw: told, counted, and run again."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from tests.bus_subscriber import subscribed
from tests.faults.faulty_daemon import FaultyDaemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client, Event, Mirror
from zinfo.loop.supervisor import Supervisor
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.watchers.static import StaticShardWatcher

QUICK = {
    "ZINFO_BUS_HEARTBEAT": "0.2",
    "ZINFO_POLL_MIN_INTERVAL": "0.1",
    "ZINFO_POLL_MAX_INTERVAL": "0.3",
}

AGAIN = 5.0
"""Seconds after the end of a fault within which a part must do its work again."""


@pytest.fixture(scope="module")
def own_server() -> Iterator[RealServer]:
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def daemon(own_server: RealServer) -> Iterator[FaultyDaemon]:
    args = ("--shard", own_server.url, "--local")
    with FaultyDaemon(xmlrpc=True, args=args, environ=QUICK) as running:
        running.wait_polled(1)
        yield running


def received(daemon: FaultyDaemon, topic: bytes = b"z1/hb/") -> None:
    """Return when a new subscriber's subscription stands and a message came."""
    with subscribed(daemon.bus, topic) as subscriber:
        subscriber.receive()


def polled(daemon: FaultyDaemon) -> None:
    """Return when one more poll has been made."""
    before = daemon.stats()["poll"]["replies"]
    wait_until(lambda: daemon.stats()["poll"]["replies"] > before, what="one more poll")


def called(daemon: FaultyDaemon) -> None:
    with xmlrpc.client.ServerProxy(daemon.xmlrpc) as proxy:
        assert proxy.GetInfos()


def found(daemon: FaultyDaemon) -> None:
    """Return when the local watcher has found one more server."""
    with RealServer() as another:
        wait_until(
            lambda: any(shard["id"] == another.ident for shard in all_shards(daemon)),
            what="another server to be found",
        )


def all_shards(daemon: FaultyDaemon) -> list[dict[str, Any]]:
    body: Any = daemon.ask("shards").body
    return list(body)


def beats(daemon: FaultyDaemon) -> None:
    """Return when a user's own watcher has done something more."""
    before = (daemon.directory / "alive").read_text()
    wait_until(lambda: (daemon.directory / "alive").read_text() != before, what="life")


def asked(daemon: FaultyDaemon) -> None:
    assert daemon.ask("ping").error is None


def dies_again(part: str) -> Callable[[FaultyDaemon], None]:
    """What runs can die once more: for parts whose work is seen only when there is trouble."""

    def look(daemon: FaultyDaemon) -> None:
        before = daemon.stats()["restarts"][part]
        with daemon.broken(part):
            wait_until(lambda: daemon.stats()["restarts"][part] > before, what="another death")

    return look


PARTS: dict[str, Callable[[FaultyDaemon], None]] = {
    "bus": received,
    "heartbeat": received,
    "query endpoint": asked,
    "saturation": dies_again("saturation"),
    "files": dies_again("files"),
    "XML-RPC server": called,
    "LocalShardWatcher": found,
    "OwnWatcher": beats,
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_dies_is_told_and_runs_again(
    daemon: FaultyDaemon, part: str, promise: Promise
) -> None:
    before = daemon.stats()["faults"].get(part, 0)
    armed = time.monotonic()
    daemon.arm(part)
    wait_until(lambda: f"{part} crashed" in daemon.log(), what="its death in the log")
    seen = time.monotonic() - armed
    daemon.disarm(part)
    mended = time.monotonic()
    PARTS[part](daemon)
    again = time.monotonic() - mended
    event = daemon.wait_for_fault(part, "RuntimeError: broken")
    deaths = daemon.stats()["faults"][part] - before
    promise(
        f"{part} raises",
        f"logged, counted, told; works within {AGAIN:g} s",
        f"logged after {seen:.2f} s, works after {again:.2f} s; {deaths} counted",
    )
    assert (event.shard, event.type, event.reason) == ("", "fault", part)
    assert deaths >= 1
    assert f"RuntimeError: broken: {part}" in daemon.log()
    assert again < AGAIN


@pytest.mark.parametrize("fault", ["connecting", "scheduler", "snapshot callback"])
def test_the_poller_outlives_what_it_runs_and_all_shards_are_polled_again(
    daemon: FaultyDaemon, own_server: RealServer, fault: str, promise: Promise
) -> None:
    with daemon.broken(fault):
        if fault == "connecting":
            own_server.client().client_kill_filter(_type="normal")
        daemon.wait_for_fault("poller", fault)
    mended = time.monotonic()
    with Client(daemon.query) as client:
        revision = client.shards([own_server.ident])[0]["revision"]
        wait_until(
            lambda: client.shards([own_server.ident])[0]["revision"] > revision + 1,
            what="polls of the shard",
        )
        wait_until(
            lambda: client.shards([own_server.ident])[0]["state"] == "up", what="the shard to be up"
        )
    took = time.monotonic() - mended
    promise(
        f"poller: {fault} raises",
        f"told; polls again within {AGAIN:g} s",
        f"{took:.2f} s",
    )
    assert took < AGAIN


def test_a_shard_whose_failure_cannot_be_noted_is_not_forgotten(
    daemon: FaultyDaemon, promise: Promise
) -> None:
    with RealServer() as server:
        wait_until(lambda: server.ident in dict(states(daemon)), what="the server to be found")
        wait_until(lambda: dict(states(daemon))[server.ident] == "up", what="it to be up")
        with daemon.broken("failing"):
            server.kill()
            daemon.wait_for_fault("poller", "failing")
            server.start()
        mended = time.monotonic()
        before = daemon.stats()["poll"]["connects"]
        wait_until(lambda: daemon.stats()["poll"]["connects"] > before, what="another connection")
        wait_until(lambda: dict(states(daemon))[server.ident] == "up", what="it to be up")
        took = time.monotonic() - mended
        promise(
            "noting a shard's failure raises",
            f"told; polled again within {AGAIN:g} s",
            f"{took:.2f} s",
        )
        assert took < AGAIN


def states(daemon: FaultyDaemon) -> list[tuple[str, str]]:
    return [(shard["id"], shard["state"]) for shard in all_shards(daemon)]


def test_an_exception_in_the_event_loop_is_told_and_does_not_flood(
    daemon: FaultyDaemon, promise: Promise
) -> None:
    begun = time.monotonic()
    logged = daemon.log().count("unexpected error: event loop")
    with daemon.broken("event loop"):
        daemon.wait_for_fault("event loop", "broken")
        wait_until(lambda: daemon.stats()["faults"]["event loop"] > 50, what="fifty faults")
    asked(daemon)
    took = time.monotonic() - begun
    faults = daemon.stats()["faults"]["event loop"]
    logged = daemon.log().count("unexpected error: event loop") - logged
    events = sum(event.reason == "event loop" for event in daemon.events("fault"))
    promise(
        "a callback of the loop raises",
        "each counted; one a second told",
        f"{faults} in {took:.1f} s: {logged} logged, {events} events",
    )
    assert 1 <= logged <= took + 2  # some came between two looks
    assert 1 <= events <= took + 2


def test_a_door_whose_listener_is_lost_listens_anew(daemon: FaultyDaemon, promise: Promise) -> None:
    with daemon.broken("listener"):
        daemon.wait_for_fault("XML-RPC server", "listener")
    begun = time.monotonic()

    def answers() -> bool:
        with contextlib.suppress(OSError):
            called(daemon)
            return True
        return False

    wait_until(answers, what="the door to be open")
    took = time.monotonic() - begun
    promise("the XML-RPC server's listener is lost", f"open within {AGAIN:g} s", f"{took:.2f} s")
    assert took < AGAIN


def test_a_shard_that_cannot_be_made_keeps_no_other_from_being_watched() -> None:
    class Picky(RedisShard):
        def __init__(self, ident: object, *args: Any, **options: Any) -> None:
            if ident == "a:1":
                raise RuntimeError("not this one")
            super().__init__(ident, *args, **options)

    publisher = ShardPublisher()
    told: list[tuple[str, str]] = []
    publisher.subscribe_faults(lambda part, error: told.append((part, str(error))))
    urls = ["redis://a:1", "redis://b:2"]
    with StaticShardWatcher(publisher, urls, shard_class=Picky):
        assert publisher.get_live_shard_ids() == {"b:2"}
    assert told == [("StaticShardWatcher", "not this one")]


def test_a_part_that_somebody_else_kills_runs_again_and_one_that_is_stopped_does_not() -> None:
    runs: list[gevent.Greenlet[Any, Any]] = []
    told: list[BaseException] = []

    def part() -> None:
        greenlet = gevent.getcurrent()
        assert isinstance(greenlet, gevent.Greenlet)
        runs.append(greenlet)
        gevent.sleep(60)  # alive until it is killed

    supervisor = Supervisor(report=lambda _name, error: told.append(error))
    supervisor.spawn("part", part)
    wait_until(lambda: runs, what="the first run", sleep=gevent.sleep)
    runs[0].kill(block=False)
    wait_until(lambda: len(runs) == 2, what="the second run", sleep=gevent.sleep)
    supervisor.stop()
    assert len(told) == 1
    assert isinstance(told[0], gevent.GreenletExit)
    assert runs[1].dead


def test_processes_that_cannot_be_scanned_are_told_once_and_scanned_again(
    daemon: FaultyDaemon, own_server: RealServer, promise: Promise
) -> None:
    before = daemon.stats()["faults"].get("LocalShardWatcher", 0)
    with daemon.broken("scan"):
        wait_until(
            lambda: daemon.stats()["faults"].get("LocalShardWatcher", 0) > before, what="a fault"
        )
        kept = [shard["id"] for shard in all_shards(daemon)]
    mended = time.monotonic()
    found(daemon)
    took = time.monotonic() - mended
    promise(
        "the local watcher's scan raises",
        "shards stay, told once; scans again",
        f"{took:.2f} s until a new server is found",
    )
    assert own_server.ident in kept
    assert daemon.stats()["faults"]["LocalShardWatcher"] == before + 1


def test_whoever_listens_reads_a_fault_well(daemon: FaultyDaemon, promise: Promise) -> None:
    told: list[Event] = []

    def receive(_shard: str, change: object) -> None:
        if isinstance(change, Event) and change.reason == "saturation":
            told.append(change)

    with Mirror(daemon.query, on_change=receive) as mirror:
        mirror.wait_ready(10)
        with daemon.broken("saturation"):
            wait_until(lambda: told, what="the event at a mirror")
        mirror.wait_ready(10)
        assert "" not in mirror
    said = subprocess.run(
        [sys.executable, "-m", "zinfo", "events", "--connect", daemon.query],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout
    lines = [line for line in said.splitlines() if "fault (saturation)" in line]
    promise("a fault", "read by Mirror and `zinfo events`", f"{len(lines)} lines, mirror fresh")
    assert lines
    assert "RuntimeError: broken: saturation" in lines[-1]


def test_a_part_that_cannot_be_kept_alive_ends_the_daemon(promise: Promise) -> None:
    daemon = FaultyDaemon(environ=QUICK)
    daemon.arm("impatient")
    with daemon:
        daemon.arm("heartbeat")
        begun = time.monotonic()
        wait_until(lambda: not daemon.running, 30, "its end")
        took = time.monotonic() - begun
        code = daemon.terminate()
        said = daemon.log()
        daemon.kill()  # it ended with 1, as it should
    promise("a part dies again and again", "exit 1", f"exit {code} after {took:.1f} s")
    assert code == 1
    assert "stopped: heartbeat cannot be kept alive" in said
