"""Readiness and status notifications, with a clock of the test."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.manager import Manager
from zinfo.daemon.sd_notify import Notifier
from zinfo.daemon.systemd import MAX_STARTUP, ServiceManager
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState


@pytest.fixture
def manager(short_tmp: Path) -> Iterator[Manager]:
    with Manager(short_tmp / "notify") as found:
        yield found


@pytest.fixture
def shard() -> RedisShard:
    return RedisShard("db-1:6379", "redis://db-1:6379")


@pytest.fixture
def service(manager: Manager, shard: RedisShard) -> Iterator[ServiceManager]:
    publisher = ShardPublisher()
    publisher.add_shard(shard)
    with contextlib.closing(Notifier(manager.address, watchdog=1.0)) as notifier:
        yield ServiceManager(notifier, publisher)


def test_a_shard_that_is_never_polled_delays_readiness_for_a_limited_time(
    manager: Manager, service: ServiceManager
) -> None:
    now = time.monotonic()
    service.update(now + MAX_STARTUP - 1)
    assert manager.received() == [{"STATUS": "asking 1 shard: 1 new"}]
    service.update(now + MAX_STARTUP + 1)
    ready = {"READY": "1", "STATUS": "watching 1 shard: 1 new", "WATCHDOG": "1"}
    assert manager.received()[1:] == [ready]


def test_a_shard_added_later_does_not_revoke_readiness(
    manager: Manager, service: ServiceManager, shard: RedisShard
) -> None:
    shard.state = ShardState.UP
    service.update(time.monotonic())
    shard.state = ShardState.NEW
    service.update(time.monotonic())
    assert [message.get("READY") for message in manager.received()] == ["1", None]
    assert manager.all_of("STATUS")[-1] == "watching 1 shard: 1 new"


def test_the_watchdog_is_notified_twice_per_timeout(
    manager: Manager, service: ServiceManager, shard: RedisShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        shard.state = ShardState.UP
        if len(pauses) == 4:
            raise KeyboardInterrupt  # ends `run`

    monkeypatch.setattr("zinfo.daemon.systemd.gevent.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        service.run()
    assert pauses[1:] == [0.5, 0.5, 0.5], "half of the watchdog's time, after the start"
    assert manager.all_of("WATCHDOG") == ["1"] * 3


def test_a_status_is_sent_only_when_it_changes(
    manager: Manager, service: ServiceManager, shard: RedisShard
) -> None:
    for state in (ShardState.UP, ShardState.UP, ShardState.DOWN, ShardState.DOWN):
        shard.state = state
        service.update(time.monotonic())
    expected = ["watching 1 shard: 1 up", "watching 1 shard: 1 down"]
    assert manager.all_of("STATUS") == expected
    assert manager.all_of("WATCHDOG") == ["1"] * 4


def test_a_notification_that_failed_is_sent_again(
    short_tmp: Path, shard: RedisShard, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = ShardPublisher()
    publisher.add_shard(shard)
    shard.state = ShardState.UP
    address = short_tmp / "late"
    with contextlib.closing(Notifier(str(address))) as notifier:
        service = ServiceManager(notifier, publisher)
        service.update(time.monotonic())
        service.update(time.monotonic())
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        with Manager(address) as manager:
            service.update(time.monotonic())
            assert manager.received() == [{"READY": "1", "STATUS": "watching 1 shard: 1 up"}]


def test_stopping_is_the_last_notification(
    manager: Manager, service: ServiceManager, shard: RedisShard
) -> None:
    shard.state = ShardState.UP
    service.set_problem("bus cannot be kept alive")
    service.stopping()
    service.update(time.monotonic())
    end = {"STOPPING": "1", "STATUS": "stopping; bus cannot be kept alive"}
    assert manager.received() == [end]


def test_a_full_queue_does_not_block(manager: Manager) -> None:
    with contextlib.closing(Notifier(manager.address)) as notifier:
        assert [notifier.send("STATUS=x") for _ in range(5000)][-1] is False
        manager.received()
        assert notifier.send("STATUS=x")


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"WATCHDOG_USEC": "1000"}])
def test_without_a_service_manager_nothing_is_sent(environ: dict[str, str]) -> None:
    notifier = Notifier.from_environment(environ)
    assert not notifier.enabled
    assert not notifier.send("READY=1")


@pytest.mark.parametrize(
    ("environ", "logged"),
    [
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, "NOTIFY_SOCKET: found 'vsock:2:1234'"),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "-5"}, "WATCHDOG_USEC: found '-5'"),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC: found 'soon'"),
    ],
)
def test_invalid_variables_are_logged_and_ignored(
    environ: dict[str, str], logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier.from_environment(environ)
    notifier.close()
    assert notifier.watchdog == 0
    assert logged in caplog.text


@pytest.mark.parametrize(
    ("pid", "watchdog"), [(os.getpid(), 30.0), (os.getppid(), 0.0)], ids=["own", "other"]
)
def test_only_the_watchdog_of_this_process_is_notified(
    manager: Manager, pid: int, watchdog: float
) -> None:
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "30000000"}
    with contextlib.closing(
        Notifier.from_environment({**environ, "WATCHDOG_PID": str(pid)})
    ) as notifier:
        assert notifier.watchdog == watchdog


def test_socket_and_watchdog_are_read_from_the_environment(manager: Manager) -> None:
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "30000000"}
    with contextlib.closing(Notifier.from_environment(environ)) as notifier:
        assert notifier.watchdog == 30.0
        assert notifier.send("A=1", "B=2")
        assert manager.received() == [{"A": "1", "B": "2"}]
