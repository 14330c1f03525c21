"""A part of zinfo raises an unexpected exception: it is reported, counted and restarted."""

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
from zinfo.discovery.static import StaticShardWatcher
from zinfo.loop.supervisor import Supervisor
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard

QUICK = {
    "ZINFO_BUS_HEARTBEAT": "0.2",
    "ZINFO_LOCAL_INTERVAL": "0.5",
    "ZINFO_POLL_TIMEOUT": "15",
    "ZINFO_POLL_MIN_INTERVAL": "0.1",
    "ZINFO_POLL_MAX_INTERVAL": "0.3",
}


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
    """Return when a new subscriber has received a message."""
    with subscribed(daemon.bus, topic) as subscriber:
        subscriber.receive()


def polled(daemon: FaultyDaemon) -> None:
    """Return after one more poll."""
    before = daemon.stats()["poll"]["replies"]
    wait_until(lambda: daemon.stats()["poll"]["replies"] > before, what="one more poll")


def called(daemon: FaultyDaemon) -> None:
    with xmlrpc.client.ServerProxy(daemon.xmlrpc) as proxy:
        assert proxy.GetInfos()


def found(daemon: FaultyDaemon) -> None:
    """Return when the local watcher has found another server."""
    with RealServer() as another:
        wait_until(
            lambda: any(shard["id"] == another.ident for shard in all_shards(daemon)),
            what="another server to be found",
        )


def all_shards(daemon: FaultyDaemon) -> list[dict[str, Any]]:
    body: Any = daemon.ask("shards").body
    return list(body)


def beats(daemon: FaultyDaemon) -> None:
    """Return when the user's watcher has written to its file again."""
    before = (daemon.directory / "alive").read_text()
    wait_until(lambda: (daemon.directory / "alive").read_text() != before, what="another write")


def asked(daemon: FaultyDaemon) -> None:
    assert daemon.ask("ping").error is None


def crashes_again(part: str) -> Callable[[FaultyDaemon], None]:
    """Return a check that a part without another visible effect runs: it crashes again."""

    def look(daemon: FaultyDaemon) -> None:
        before = daemon.stats()["restarts"][part]
        with daemon.broken(part):
            wait_until(lambda: daemon.stats()["restarts"][part] > before, what="another crash")

    return look


PARTS: dict[str, Callable[[FaultyDaemon], None]] = {
    "bus": received,
    "heartbeat": received,
    "query endpoint": asked,
    "saturation": crashes_again("saturation"),
    "files": crashes_again("files"),
    "XML-RPC server": called,
    "LocalShardWatcher": found,
    "OwnWatcher": beats,
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_crashes_is_reported_and_restarted(
    daemon: FaultyDaemon, part: str, promise: Promise
) -> None:
    before, logged = daemon.stats()["faults"].get(part, 0), len(daemon.log())
    armed = time.monotonic()
    daemon.arm(part)
    # Another test on this daemon may have made it crash before.
    wait_until(lambda: f"{part} crashed" in daemon.log()[logged:], what="its crash in the log")
    seen = time.monotonic() - armed
    daemon.disarm(part)
    repaired = time.monotonic()
    PARTS[part](daemon)
    again = time.monotonic() - repaired
    event = daemon.wait_for_fault(part, "RuntimeError: broken")
    crashes = daemon.stats()["faults"][part] - before
    promise(
        f"{part} raises",
        "logged, counted, published; works",
        f"logged after {seen:.2f} s, works after {again:.2f} s; {crashes} counted",
    )
    assert (event.shard, event.type, event.reason) == ("", "fault", part)
    assert crashes >= 1
    assert f"RuntimeError: broken: {part}" in daemon.log()[logged:]


@pytest.mark.parametrize("fault", ["connecting", "scheduler", "snapshot callback"])
def test_the_poller_survives_exceptions_and_polls_all_shards_again(
    daemon: FaultyDaemon, own_server: RealServer, fault: str, promise: Promise
) -> None:
    with daemon.broken(fault):
        if fault == "connecting":
            own_server.client().client_kill_filter(_type="normal")
        daemon.wait_for_fault("poller", fault)
    repaired = time.monotonic()
    with Client(daemon.query) as client:
        revision = client.shards([own_server.ident])[0]["revision"]
        wait_until(
            lambda: client.shards([own_server.ident])[0]["revision"] > revision + 1,
            what="polls of the shard",
        )
        wait_until(
            lambda: client.shards([own_server.ident])[0]["state"] == "up", what="the shard to be up"
        )
    took = time.monotonic() - repaired
    promise(
        f"poller: {fault} raises",
        "reported; polls again",
        f"{took:.2f} s",
    )


def test_a_shard_whose_failure_cannot_be_recorded_is_polled_again(
    daemon: FaultyDaemon, promise: Promise
) -> None:
    with RealServer() as server:
        wait_until(lambda: server.ident in dict(states(daemon)), what="the server to be found")
        wait_until(lambda: dict(states(daemon))[server.ident] == "up", what="it to be up")
        before = daemon.stats()["poll"]["connects"]
        with daemon.broken("failing"):
            server.kill()
            daemon.wait_for_fault("poller", "failing")
            server.start()
        repaired = time.monotonic()
        wait_until(lambda: daemon.stats()["poll"]["connects"] > before, what="another connection")
        wait_until(lambda: dict(states(daemon))[server.ident] == "up", what="it to be up")
        took = time.monotonic() - repaired
        promise(
            "recording a shard's failure raises",
            "reported; polled again",
            f"{took:.2f} s",
        )


def states(daemon: FaultyDaemon) -> list[tuple[str, str]]:
    return [(shard["id"], shard["state"]) for shard in all_shards(daemon)]


def test_exceptions_in_the_event_loop_are_reported_once_a_second(
    daemon: FaultyDaemon, promise: Promise
) -> None:
    def reports() -> tuple[int, int, int]:
        """Return how many faults of the event loop were counted, logged and published."""
        counted = daemon.stats()["faults"].get("event loop", 0)
        published = sum(event.reason == "event loop" for event in daemon.events("fault"))
        return counted, daemon.log().count("unexpected error: event loop"), published

    started, before = time.monotonic(), reports()
    with daemon.broken("event loop"):
        wait_until(lambda: reports()[0] > before[0] + 50, what="fifty faults")
    asked(daemon)
    took = time.monotonic() - started
    faults, logged, events = (now - then for now, then in zip(reports(), before, strict=True))
    promise(
        "a callback of the loop raises",
        "each counted; one a second reported",
        f"{faults} in {took:.1f} s: {logged} logged, {events} events",
    )
    assert 1 <= logged <= took + 2  # the counters are read a little later
    assert 1 <= events <= took + 2


def test_a_server_adapter_whose_listening_socket_is_closed_listens_again(
    daemon: FaultyDaemon, promise: Promise
) -> None:
    with daemon.broken("listener"):
        daemon.wait_for_fault("XML-RPC server", "listener")
    started = time.monotonic()

    def answers() -> bool:
        with contextlib.suppress(OSError):
            called(daemon)
            return True
        return False

    wait_until(answers, what="the server to listen")
    took = time.monotonic() - started
    promise(
        "the listening socket of the XML-RPC server is closed",
        "open",
        f"{took:.2f} s",
    )


def test_a_shard_that_cannot_be_created_does_not_keep_others_from_being_live() -> None:
    class Picky(RedisShard):
        def __init__(self, ident: object, *args: Any, **options: Any) -> None:
            if ident == "a:1":
                raise RuntimeError("not this one")
            super().__init__(ident, *args, **options)

    publisher = ShardPublisher()
    seen: list[tuple[str, str]] = []
    publisher.subscribe_faults(lambda part, error: seen.append((part, str(error))))
    urls = ["redis://a:1", "redis://b:2"]
    with StaticShardWatcher(publisher, urls, shard_class=Picky):
        assert publisher.get_live_shard_ids() == {"b:2"}
    assert seen == [("StaticShardWatcher", "not this one")]


def test_a_task_killed_by_other_code_is_restarted_and_a_stopped_one_is_not() -> None:
    runs: list[gevent.Greenlet[Any, Any]] = []
    seen: list[BaseException] = []

    def task() -> None:
        greenlet = gevent.getcurrent()
        assert isinstance(greenlet, gevent.Greenlet)
        runs.append(greenlet)
        gevent.sleep(60)  # alive until it is killed

    supervisor = Supervisor(report=lambda _name, error: seen.append(error))
    supervisor.spawn("task", task)
    wait_until(lambda: runs, what="the first run", sleep=gevent.sleep)
    runs[0].kill(block=False)
    wait_until(lambda: len(runs) == 2, what="the second run", sleep=gevent.sleep)
    supervisor.stop()
    assert len(seen) == 1
    assert isinstance(seen[0], gevent.GreenletExit)
    assert runs[1].dead


def test_a_scan_that_fails_is_reported_once_and_retried(
    daemon: FaultyDaemon, own_server: RealServer, promise: Promise
) -> None:
    before = daemon.stats()["faults"].get("LocalShardWatcher", 0)
    with daemon.broken("scan"):
        wait_until(
            lambda: daemon.stats()["faults"].get("LocalShardWatcher", 0) > before, what="a fault"
        )
        listed = [shard["id"] for shard in all_shards(daemon)]
    repaired = time.monotonic()
    found(daemon)
    took = time.monotonic() - repaired
    promise(
        "the local watcher's scan raises",
        "shards stay, reported once; scans again",
        f"{took:.2f} s until a new server is found",
    )
    assert own_server.ident in listed
    assert daemon.stats()["faults"]["LocalShardWatcher"] == before + 1


def test_a_fault_event_is_read_by_mirror_and_command_line(
    daemon: FaultyDaemon, promise: Promise
) -> None:
    seen: list[Event] = []

    def receive(_shard: str, change: object) -> None:
        if isinstance(change, Event) and change.reason == "saturation":
            seen.append(change)

    with Mirror(daemon.query, on_change=receive) as mirror:
        mirror.wait_ready(60)
        with daemon.broken("saturation"):
            wait_until(lambda: seen, what="the event at a mirror")
        mirror.wait_ready(60)
        assert "" not in mirror
    output = subprocess.run(
        [sys.executable, "-m", "zinfo", "events", "--connect", daemon.query],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    lines = [line for line in output.splitlines() if "fault (saturation)" in line]
    promise("a fault", "read by Mirror and `zinfo events`", f"{len(lines)} lines, mirror fresh")
    assert lines
    assert "RuntimeError: broken: saturation" in lines[-1]


def test_a_part_that_crashes_too_often_ends_the_daemon(promise: Promise) -> None:
    daemon = FaultyDaemon(environ=QUICK)
    daemon.arm("impatient")
    with daemon:
        daemon.arm("heartbeat")
        started = time.monotonic()
        wait_until(lambda: not daemon.running, 60, "its end")
        took = time.monotonic() - started
        code = daemon.terminate()
        output = daemon.log()
        daemon.kill()  # it has exited with 1, as expected
    promise("a part crashes again and again", "exit 1", f"exit {code} after {took:.1f} s")
    assert code == 1
    assert "stopped: heartbeat cannot be kept alive" in output
