"""SIGHUP: the daemon goes on with everything else, however long the reload takes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.service.manager import Manager
from tests.waiting import wait_until

SHARDS = 200
"""Shards of the configurations; enough for a reload over many iterations of the event loop."""

LONG = 60.0
"""Seconds after which a wait fails; it only ends a test that hangs."""

READ = "configuration read again"


def config(server: RealServer, name: str, count: int = SHARDS, label: str = "a") -> str:
    return "[poll]\nmin_interval = 1\nmax_interval = 1\n" + "".join(
        f'[[shards]]\nid = "{name}-{number}"\nurl = "{server.url}"\nlabels = {{ n = "{label}" }}\n'
        for number in range(count)
    )


def blocking_file(daemon: RunningDaemon) -> Path:
    """Replace the configuration by a FIFO, whose reader blocks until the test writes to it."""
    path = daemon.config_path
    path.unlink()
    os.mkfifo(path, 0o600)
    return path


def readers(daemon: RunningDaemon) -> list[psutil.Process]:
    return psutil.Process(daemon.pid).children()


def times_read(daemon: RunningDaemon) -> int:
    return daemon.log().count(READ)


def has_read(daemon: RunningDaemon, times: int) -> bool:
    return times_read(daemon) == times


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningDaemon, Manager]]:
    """A daemon of a service manager."""
    with (
        Manager(tmp_path_factory.mktemp("manager") / "notify") as manager,
        RunningDaemon(config_text="", environ={"NOTIFY_SOCKET": manager.address}) as daemon,
    ):
        manager.wait_for("READY", "1")
        yield daemon, manager


@pytest.fixture
def daemon(managed: tuple[RunningDaemon, Manager], server: RealServer) -> RunningDaemon:
    """That daemon with one shard, which was polled, and without a reader process."""
    daemon, manager = managed
    manager.clear()
    done = times_read(daemon)
    daemon.config_path.unlink(missing_ok=True)
    daemon.config_path.write_text(config(server, "one", 1))
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: has_read(daemon, done + 1), what="the first configuration")
    manager.wait_for("READY", "1")
    daemon.wait_polled(1)
    wait_until(lambda: not readers(daemon), what="the end of the reader process")
    return daemon


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_pings_are_answered_while_reading_the_file_blocks(
    daemon: RunningDaemon, server: RealServer, promise: Promise
) -> None:
    begin = times_read(daemon)
    fifo = blocking_file(daemon)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: readers(daemon), what="the file to be read")
    for _ in range(3):
        daemon.signal(signal.SIGHUP)
        daemon.ask("ping")
    answered = sum(daemon.ask("ping").error is None for _ in range(20))
    before: Any = daemon.ask("stats").body
    for done in range(2):  # the one that blocks, and one for all signals after it
        fifo.write_text(config(server, "two", 3))
        wait_until(partial(has_read, daemon, begin + done + 1), what="a reload")
    daemon.wait_polled(3)
    promise(
        "SIGHUP with a file that blocks, and three more",
        "everything else goes on; one more reload for the three",
        f"{answered} pings answered during that, {before['shards']} shards polled, "
        f"{times_read(daemon) - begin} reloads",
    )
    assert answered == 20
    wait_until(lambda: not readers(daemon), what="the end of the reader process")
    assert times_read(daemon) == begin + 2


def test_pings_are_answered_between_a_signal_and_the_end_of_its_reload(
    server: RealServer, promise: Promise
) -> None:
    with RunningDaemon(config_text=config(server, "one")) as daemon:
        daemon.wait_polled(SHARDS, LONG)
        changes = {"relabelled": ("one", "b"), "replaced": ("two", "a")}
        for done, (change, (name, label)) in enumerate(changes.items()):
            daemon.config_path.write_text(config(server, name, label=label))
            daemon.signal(signal.SIGHUP)
            answered = 0
            while not has_read(daemon, done + 1):
                daemon.ask("ping")
                answered += 1
            daemon.wait_polled(SHARDS, LONG)
            shards: Any = daemon.ask("shards").body
            promise(
                f"SIGHUP with {SHARDS} shards {change}",
                "pings are answered during the reload",
                f"{answered} pings answered before it was done",
            )
            assert answered >= 1
            assert {shard["id"].split("-")[0] for shard in shards} == {name}
            assert {shard["labels"]["n"] for shard in shards} == {label}
            assert len(shards) == SHARDS


def test_the_reader_process_ends_with_the_daemon(server: RealServer, promise: Promise) -> None:
    left = {}
    for name in ("SIGTERM", "SIGKILL"):
        with RunningDaemon(config_text=config(server, "one", 1)) as daemon:
            blocking_file(daemon)
            daemon.signal(signal.SIGHUP)
            (reader,) = wait_until(partial(readers, daemon), what="a reader")
            if name == "SIGTERM":
                assert daemon.terminate() == 0
            else:
                daemon.kill()
            wait_until(partial(has_ended, reader), what="its end")
            left[name] = not has_ended(reader)
    promise(
        "the daemon ends while a file is read",
        "no process is left",
        ", ".join(f"{name}: {'left' if is_left else 'gone'}" for name, is_left in left.items()),
    )
    assert left == {"SIGTERM": False, "SIGKILL": False}


def test_a_killed_reader_process_is_reported_and_the_configuration_stays(
    daemon: RunningDaemon, server: RealServer, promise: Promise
) -> None:
    begin, logged = times_read(daemon), len(daemon.log())
    fifo = blocking_file(daemon)
    daemon.signal(signal.SIGHUP)
    (reader,) = wait_until(lambda: readers(daemon), what="a reader")
    reader.kill()
    line = "configuration not taken: the process that reads it exited without a result"
    wait_until(lambda: line in daemon.log()[logged:], what=line)
    before: Any = daemon.ask("stats").body
    fifo.unlink()
    fifo.write_text(config(server, "one", 2))
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: has_read(daemon, begin + 1), what="the next reload")
    daemon.wait_polled(2)
    promise(
        "the process that reads the file is killed",
        "old configuration stays, reported; the next SIGHUP works",
        f"reported, {before['shards']}, then 2 shards",
    )
    assert before["shards"] == {"up": 1}


def test_a_service_manager_is_notified_when_the_reload_has_ended(
    daemon: RunningDaemon,
    managed: tuple[RunningDaemon, Manager],
    server: RealServer,
    promise: Promise,
) -> None:
    _, manager = managed
    fifo = blocking_file(daemon)
    manager.clear()
    daemon.signal(signal.SIGHUP)
    manager.wait_for("RELOADING", "1")
    wait_until(lambda: readers(daemon), what="the file to be read")
    early = manager.all_of("READY")
    fifo.write_text(config(server, "one", 2))
    manager.wait_for("READY", "1")
    promise(
        "a slow reload under systemd",
        "READY=1 only at its end",
        f"{len(early)} before, {manager.all_of('READY')} and "
        f"{manager.all_of('STATUS')[-1]!r} after",
    )
    assert early == []
