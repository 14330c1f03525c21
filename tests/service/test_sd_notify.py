"""The notifications of a daemon to the service manager that started it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.service.manager import Manager
from tests.spawning import HOST
from tests.waiting import wait_until

WATCHDOG = 0.5
"""Watchdog timeout of these tests, in seconds."""


@pytest.fixture
def manager(short_tmp: Path) -> Iterator[Manager]:
    with Manager(short_tmp / "notify") as found:
        yield found


def environ(manager: Manager, watchdog: float = 0.0, **more: str) -> dict[str, str]:
    found = {"NOTIFY_SOCKET": manager.address, **more}
    if watchdog:
        found["WATCHDOG_USEC"] = str(round(watchdog * 1e6))
    return found


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A listening socket, for a server that accepts connections and sends nothing."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener


def with_ready(manager: Manager) -> dict[str, str]:
    """Return the first notification that has READY."""
    return next(message for message in manager.received() if "READY" in message)


def test_it_is_ready_when_every_shard_was_polled_once(
    manager: Manager, server: RealServer, deaf: socket.socket
) -> None:
    port = deaf.getsockname()[1]
    config = f'[[shards]]\nurl = "{server.url}"\n'
    config += f'[[shards]]\nurl = "redis://{HOST}:{port}"\ntimeout = 300\n'
    with RunningDaemon(config_text=config, environ=environ(manager)) as daemon:
        manager.wait_for("STATUS", "asking 2 shards: 1 up, 1 new")
        assert manager.all_of("READY") == [], "one shard was not polled yet"
        connection, _ = deaf.accept()
        deaf.close()  # the next attempt, without a name, is refused
        connection.close()
        manager.wait_for("READY", "1")
        assert with_ready(manager)["STATUS"] == "watching 2 shards: 1 up, 1 down"
        assert manager.all_of("WATCHDOG") == [], "there is no watchdog"
        assert daemon.running


def test_without_shards_it_is_ready_at_once(manager: Manager) -> None:
    # The watchdog is that of another process, which is not notified.
    more = environ(manager, WATCHDOG, WATCHDOG_PID=str(os.getpid()))
    with RunningDaemon(config_text="[local]\nenabled = false\n", environ=more):
        manager.wait_for("READY", "1")
        assert manager.received()[0] == {"READY": "1", "STATUS": "watching 0 shards"}


def test_reloads_are_notified_with_an_invalid_configuration_until_it_is_fixed(
    manager: Manager, server_factory: ServerFactory
) -> None:
    one, two = (f'[[shards]]\nurl = "{server_factory().url}"\n' for _ in range(2))
    with RunningDaemon(config_text=one, environ=environ(manager)) as daemon:
        manager.wait_for("READY", "1")
        manager.clear()
        daemon.config_path.write_text(one + two)
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.signal(signal.SIGHUP)
        manager.wait_for("READY", "1")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        received, end = manager.received(), with_ready(manager)
        begin = next(message for message in received if "RELOADING" in message)
        assert begin["RELOADING"] == "1"
        assert before <= int(begin["MONOTONIC_USEC"]) <= after
        assert received.index(begin) < received.index(end)
        assert end["STATUS"].startswith("watching 2 shards")
        daemon.wait_polled(2)
        for text, status in (
            (one + "tiemout = 1\n", "watching 2 shards: 2 up; configuration not taken"),
            (one, "watching 1 shard: 1 up"),
        ):
            manager.clear()
            daemon.config_path.write_text(text)
            daemon.signal(signal.SIGHUP)
            manager.wait_for("READY", "1")
            assert with_ready(manager)["STATUS"] == status


def test_stopping_is_the_last_notification_of_a_daemon_here_to_an_abstract_socket(
    server: RealServer,
) -> None:
    with (
        Manager(f"@zinfo-test-{os.getpid()}") as manager,
        RunningDaemon([server.url], environ=environ(manager, WATCHDOG)) as daemon,
    ):
        manager.wait_for("READY", "1")
        daemon.terminate()
        assert manager.received()[-1] == {"STOPPING": "1", "STATUS": "stopping"}


def test_the_watchdog_is_not_notified_while_the_event_loop_is_blocked(
    manager: Manager, short_tmp: Path, server: RealServer
) -> None:
    blocking = short_tmp / "blocking"
    more = environ(manager, WATCHDOG, ZI_BLOCKED=str(blocking))
    with BlockedDaemon([server.url], environ=more) as daemon:
        manager.wait_for("WATCHDOG", "1")
        blocking.touch()
        wait_until(blocking.with_suffix(".begun").exists, what="the loop to block")
        manager.clear()
        time.sleep(2 * WATCHDOG)  # in which a daemon that works sends four notifications
        assert daemon.running
        assert manager.received() == []
        blocking.unlink()
        manager.wait_for("WATCHDOG", "1")


class BlockedDaemon(RunningDaemon):
    """A daemon whose event loop can be blocked; see `tests.service.blocked_daemon`."""

    @override
    def _command(self) -> list[str]:
        command = super()._command()
        at = command.index("zinfo")
        command[at : at + 1] = ["gevent.monkey", "--module", "tests.service.blocked_daemon"]
        return command


def test_a_lost_service_manager_is_logged_once_and_found_again(
    short_tmp: Path, server: RealServer
) -> None:
    address = short_tmp / "notify"
    with Manager(address) as manager:
        daemon = RunningDaemon([server.url], environ=environ(manager, WATCHDOG))
        with daemon:
            manager.wait_for("READY", "1")
            address.unlink()
            wait_until(lambda: "cannot notify" in daemon.log(), what="a failure in the log")
            time.sleep(2 * WATCHDOG)  # in which more notifications fail
            with Manager(address) as again:
                again.wait_for("WATCHDOG", "1")
                daemon.terminate()
    assert daemon.last_log.count("cannot notify the service manager") == 1
