"""LocalShardWatcher with real servers.

The process is not patched by gevent: the watcher's greenlet runs while a test waits with
`gevent.sleep`.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
import redis

from tests.conftest import ServerFactory
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.discovery.local.process_table import ProcessTable, Scan
from zinfo.discovery.local.watcher import LocalShardWatcher
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.registry import ShardEvent, ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState

ROOT = Path(__file__).parent.parent.parent
INTERVAL = 0.02
"""Seconds between scans; short, so that tests are fast."""


class Processes:
    """The processes of one test, which are the only ones that its watcher sees."""

    def __init__(self) -> None:
        self.servers: list[RealServer] = []
        self.error: Exception | None = None
        self.scans = 0

    def __call__(self) -> Iterable[psutil.Process]:
        self.scans += 1
        if self.error:
            raise self.error
        pids = {server.pid for server in self.servers if server.running}
        return [process for process in psutil.process_iter() if process.pid in pids]

    def wait_for_scan_start(self) -> None:
        """Wait until another scan has started; it ends after this thread's next switch."""
        until = self.scans + 1
        wait_until(lambda: self.scans >= until, what="a scan", sleep=gevent.sleep)

    def wait_for_scans(self, count: int = 2) -> None:
        """Wait until `count` scans have started and ended."""
        until = self.scans + count + 1
        wait_until(lambda: self.scans >= until, what=f"{count} scans", sleep=gevent.sleep)


class Watcher(LocalShardWatcher):
    """The watcher, which sees only the processes of its test."""

    def __init__(self, publisher: ShardPublisher, processes: Processes, **options: Any) -> None:
        super().__init__(publisher, **options)
        self.processes = processes

    def make_table(self) -> ProcessTable:
        return ProcessTable(self.processes)


WatcherFactory = Callable[..., Watcher]


@pytest.fixture
def publisher() -> ShardPublisher:
    return ShardPublisher()


@pytest.fixture
def log(publisher: ShardPublisher) -> list[tuple[str, str]]:
    """The events of the publisher."""
    seen: list[tuple[str, str]] = []

    def subscribe(event: ShardEvent) -> None:
        publisher.subscribe_shard_event(event, lambda shard: seen.append((event.value, shard.id)))

    for event in ShardEvent:
        subscribe(event)
    return seen


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture
def start(publisher: ShardPublisher, processes: Processes) -> Iterator[WatcherFactory]:
    """Start a watcher that sees the given servers; stop it at the end of the test."""
    with ExitStack() as stack:

        def make(
            *servers: RealServer,
            kind: type[Watcher] = Watcher,
            interval: float = INTERVAL,
            **options: Any,
        ) -> Watcher:
            processes.servers[:] = servers
            return stack.enter_context(kind(publisher, processes, interval=interval, **options))

        yield make


def eventually(predicate: Callable[[], object], what: str) -> None:
    wait_until(predicate, what=what, sleep=gevent.sleep)


def client_of(shard: RedisShard) -> redis.Redis:
    """Return a client with the connection options of the shard."""
    options = shard.redis_conn
    assert isinstance(options, ConnectionOptions)
    return redis.Redis.from_url(options.url, password=options.resolve_password())


def test_tcp_and_unix_socket_servers_are_live_when_start_returns(
    server_factory: ServerFactory, publisher: ShardPublisher, start: WatcherFactory
) -> None:
    servers = [server_factory(), server_factory(unixsocket=True), server_factory(host="127.0.0.2")]
    start(*servers)
    assert publisher.get_live_shard_ids() == {server.ident for server in servers}
    for server in servers:
        shard = publisher.get_shard(server.ident)
        assert shard.labels == {"pid": str(server.pid), "process": server.kind.binary.name}
        with client_of(shard) as client:
            assert client.info()["process_id"] == server.pid


def test_labels_and_credentials_go_to_every_shard(
    server_factory: ServerFactory,
    publisher: ShardPublisher,
    start: WatcherFactory,
    short_tmp: Path,
) -> None:
    servers = [server_factory(password="s3cret"), server_factory(password="s3cret")]
    (short_tmp / "password").touch(0o600)
    (short_tmp / "password").write_text("s3cret\n")
    start(*servers, labels={"site": "here"}, password_file=str(short_tmp / "password"))
    for server in servers:
        shard = publisher.get_shard(server.ident)
        assert shard.labels["site"] == "here"
        assert shard.labels["pid"] == str(server.pid)
        with client_of(shard) as client:
            assert client.ping()


def test_a_shard_changes_its_credentials_with_the_user_of_its_server(
    server: RealServer, publisher: ShardPublisher, start: WatcherFactory
) -> None:
    watcher = start(server, password="s3cret", labels={"a": "b"})
    first = publisher.get_shard(server.ident)
    assert first.redis_conn.resolve_password() == "s3cret"
    assert first.redis_conn.trusted_uids == {0, os.geteuid()}
    watcher._trusted_uids = frozenset()  # as if the process belonged to another user
    eventually(lambda: publisher.find_shard(server.ident) not in (first, None), "a new shard")
    second = publisher.get_shard(server.ident)
    assert second.redis_conn.resolve_password() is None
    assert second.labels == first.labels
    watcher._trusted_uids = None  # all users
    eventually(lambda: publisher.find_shard(server.ident) not in (second, None), "a third shard")
    assert publisher.get_shard(server.ident).redis_conn.trusted_uids is None


def test_an_unknown_option_or_an_interval_of_zero_is_refused_at_once(
    publisher: ShardPublisher,
) -> None:
    with pytest.raises(TypeError, match="pasword_file"):
        LocalShardWatcher(publisher, pasword_file="x")
    with pytest.raises(ValueError, match="interval"):
        LocalShardWatcher(publisher, interval=0)


def test_a_server_that_starts_later_is_added(
    server_factory: ServerFactory,
    publisher: ShardPublisher,
    processes: Processes,
    start: WatcherFactory,
) -> None:
    start()
    assert publisher.get_live_shard_ids() == set()
    server = server_factory()
    processes.servers.append(server)
    eventually(lambda: server.ident in publisher, "the new server")


def test_a_restart_at_the_same_port_keeps_the_shard_and_updates_its_label(
    server: RealServer,
    publisher: ShardPublisher,
    log: list[tuple[str, str]],
    start: WatcherFactory,
) -> None:
    start(server, interval=0.3)
    shard = publisher.get_shard(server.ident)
    old = server.pid
    server.restart()
    eventually(lambda: shard.labels["pid"] == str(server.pid), "the new process's label")
    assert server.pid != old
    assert publisher.get_shard(server.ident) is shard
    assert log == [("added", server.ident), ("labels_changed", server.ident)]


def test_single_scans_without_the_server_remove_nothing(
    server: RealServer,
    publisher: ShardPublisher,
    processes: Processes,
    log: list[tuple[str, str]],
    start: WatcherFactory,
) -> None:
    start(server, interval=1.0)  # long enough for a new process to start
    shard = publisher.get_shard(server.ident)
    shard.state = ShardState.DOWN
    for _ in range(2):
        server.kill()
        processes.wait_for_scan_start()
        server.start()
        eventually(lambda: shard.labels["pid"] == str(server.pid), "the new process's label")
    assert log == [("added", server.ident), *[("labels_changed", server.ident)] * 2]


def test_a_killed_server_is_removed_once_the_poller_has_seen_it_down(
    server_factory: ServerFactory,
    publisher: ShardPublisher,
    processes: Processes,
    log: list[tuple[str, str]],
    start: WatcherFactory,
) -> None:
    victim, other = server_factory(), server_factory()
    start(victim, other)
    publisher.get_shard(victim.ident).MAX_POLLING_INTERVAL = 1000
    victim.kill()
    processes.wait_for_scans(5)
    assert victim.ident in publisher
    publisher.get_shard(victim.ident).state = ShardState.DOWN
    eventually(lambda: victim.ident not in publisher, "the removal")
    assert publisher.get_live_shard_ids() == {other.ident}
    assert log[2:] == [("removed", victim.ident)]


def test_without_a_poller_a_killed_server_is_removed_after_its_longest_interval(
    server: RealServer, publisher: ShardPublisher, start: WatcherFactory
) -> None:
    start(server)
    publisher.get_shard(server.ident).MAX_POLLING_INTERVAL = -0.8  # plus POLL_GRACE
    killed = time.monotonic()
    server.kill()
    eventually(lambda: server.ident not in publisher, "the removal")
    assert time.monotonic() - killed >= 0.2


def test_a_failing_scan_keeps_the_shards_and_is_logged_once_and_retried(
    server_factory: ServerFactory,
    publisher: ShardPublisher,
    processes: Processes,
    start: WatcherFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    server, late = server_factory(), server_factory()
    start(server)
    publisher.get_shard(server.ident).state = ShardState.DOWN
    processes.error = OSError("too many open files")
    processes.servers.append(late)
    processes.wait_for_scans(4)
    assert publisher.get_live_shard_ids() == {server.ident}
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "keeping 1 known shards" in errors[0].getMessage()
    processes.error = None
    eventually(lambda: late.ident in publisher, "the scans to go on")
    assert "can be scanned again" in caplog.text


def test_start_returns_after_a_failing_first_scan_which_is_retried(
    server: RealServer, publisher: ShardPublisher, processes: Processes, start: WatcherFactory
) -> None:
    processes.error = OSError("not yet")
    start(server)
    assert publisher.get_live_shard_ids() == set()
    processes.error = None
    eventually(lambda: server.ident in publisher, "the server")


def test_a_process_that_cannot_be_inspected_is_logged_once(
    server: RealServer,
    processes: Processes,
    publisher: ShardPublisher,
    start: WatcherFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Denying(Watcher):
        def make_table(self) -> ProcessTable:
            def denied(_: int) -> None:
                raise PermissionError

            return ProcessTable(self.processes, check_network=denied)

    start(server, kind=Denying)
    processes.wait_for_scans(3)
    assert publisher.get_live_shard_ids() == set()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert f"process {server.pid} (" in warnings[0].getMessage()


def test_an_id_of_another_watcher_is_logged_once_and_taken_when_it_is_free(
    server: RealServer,
    publisher: ShardPublisher,
    processes: Processes,
    start: WatcherFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    other = RedisShard(server.ident, server.url, labels={"owner": "other"})
    publisher.add_shard(other)
    watcher = start(server)
    processes.wait_for_scans(3)
    assert publisher.get_shard(server.ident) is other
    assert other.labels == {"owner": "other"}
    assert caplog.text.count("added by another watcher") == 1
    publisher.del_shard(server.ident)
    eventually(lambda: server.ident in publisher, "the watcher's own shard")
    assert watcher.shards.keys() == {server.ident}


def test_a_shard_that_other_code_replaced_is_not_removed(
    server: RealServer, publisher: ShardPublisher, processes: Processes, start: WatcherFactory
) -> None:
    watcher = start(server)
    publisher.del_shard(server.ident)
    other = RedisShard(server.ident, server.url)
    publisher.add_shard(other)
    processes.wait_for_scans()
    assert other.labels == {}
    watcher.stop()
    assert publisher.get_shard(server.ident) is other


def test_a_shard_that_other_code_removed_is_live_again_while_its_server_runs(
    server: RealServer, publisher: ShardPublisher, start: WatcherFactory
) -> None:
    start(server)
    publisher.clear_shards()
    eventually(lambda: server.ident in publisher, "the shard to be back")


def test_stop_removes_only_its_own_shards_and_start_finds_them_again(
    server: RealServer, publisher: ShardPublisher, processes: Processes, start: WatcherFactory
) -> None:
    other = RedisShard("elsewhere:1", "redis://elsewhere:1")
    publisher.add_shard(other)
    watcher = start(server)
    watcher.start()  # a second start changes nothing
    watcher.stop()
    watcher.stop()
    scans = processes.scans
    gevent.sleep(5 * INTERVAL)  # time for five scans, but none may run
    assert processes.scans == scans
    assert publisher.get_live_shard_ids() == {"elsewhere:1"}
    watcher.start()
    assert publisher.get_live_shard_ids() == {"elsewhere:1", server.ident}


def test_the_event_loop_runs_during_a_slow_scan(start: WatcherFactory) -> None:
    class Slow(Watcher):
        def make_table(self) -> ProcessTable:
            class SlowTable(ProcessTable):
                def scan(self, now: float) -> Scan:
                    assert iterated.wait(60), "the event loop to run during the scan"
                    return super().scan(now)

            return SlowTable(self.processes)

    iterated = threading.Event()

    def iterate() -> None:
        for _ in range(10):
            gevent.sleep(0.01)
        iterated.set()

    greenlet = gevent.spawn(iterate)
    start(kind=Slow)  # waits for the first scan
    assert iterated.is_set()
    greenlet.kill()


def test_the_shards_can_be_of_another_class(
    server: RealServer, publisher: ShardPublisher, start: WatcherFactory
) -> None:
    class Eager(RedisShard):
        MAX_POLLING_INTERVAL = 0.5

    class EagerWatcher(Watcher):
        def make_shard(
            self, ident: str, url: str, labels: Mapping[str, str], **options: Any
        ) -> RedisShard:
            return Eager(ident, url, labels=labels, **options)

    start(server, kind=EagerWatcher)
    assert isinstance(publisher.get_shard(server.ident), Eager)


def test_the_watcher_finds_servers_in_a_process_patched_by_gevent(server: RealServer) -> None:
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import sys\n"
        "from zinfo import LocalShardWatcher, ShardPublisher\n"
        "publisher = ShardPublisher()\n"
        "with LocalShardWatcher(publisher):\n"
        "    shard = publisher.get_shard(sys.argv[1])\n"
        "print(shard.labels['pid'], publisher.get_live_shards())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, server.ident],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{server.pid} []\n"), done.stderr


def test_stop_during_the_first_scan_ends_the_wait_for_it() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def hanging() -> Iterable[psutil.Process]:
        begun.set()
        let_go.wait(100)
        return []

    class Hanging(LocalShardWatcher):
        def make_table(self) -> ProcessTable:
            return ProcessTable(hanging)

    watcher = Hanging(ShardPublisher())
    starting = gevent.spawn(watcher.start)
    try:
        wait_until(begun.is_set, what="the scan to begin", sleep=gevent.sleep)
        watcher.stop()
        starting.join(60)
        assert starting.ready()
    finally:
        let_go.set()
