"""Callables of the user may raise gevent's Timeout and GreenletExit, which are no Exceptions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import gevent
import pytest
import redis

from tests.gevent_side.peers import BULK, peer, read_command
from tests.gevent_side.watching import watching
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo import RedisShard, ShardPublisher
from zinfo.loop.supervisor import Supervisor
from zinfo.poll.limits import PollLimits
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardEvent
from zinfo.wire.lifecycle import Event

ENDS = [gevent.Timeout(0.1), gevent.GreenletExit("end")]
each_end = pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)


def raising_first(end: BaseException, then: Callable[[], Any]) -> Callable[[], Any]:
    """Return a callable that raises at its first call."""
    calls = itertools.count()

    def call() -> Any:
        if next(calls) == 0:
            raise end
        return then()

    return call


@each_end
def test_a_redis_conn_that_raises_it_fails_the_poll_and_is_called_again(
    server: RealServer, end: BaseException, promise: Promise
) -> None:
    client = redis.Redis(port=server.port)
    with watching(max_connecting=1) as watch:
        shard = watch.add(raising_first(end, lambda: client))
        down = watch.wait_for("down")
        up = watch.wait_for("up")
        watch.wait_polls(shard)
        promise(
            f"redis_conn() raises {type(end).__name__}",
            "the shard is down with a reason, then polled again",
            f"{down.new} ({down.reason}: {down.message}), then {up.new}",
        )
        assert down.reason == ("timeout" if isinstance(end, gevent.Timeout) else "other")
        assert down.message
    client.close()


@each_end
def test_a_client_whose_info_raises_it_fails_the_poll(end: BaseException) -> None:
    class Client:
        """An object with `info()`."""

        def __init__(self) -> None:
            self.info = raising_first(end, lambda: {"role": "master", "run_id": "a"})

    with watching(max_connecting=1) as watch:
        shard = watch.add(Client())
        watch.wait_for("down")
        watch.wait_for("up")
        watch.wait_polls(shard)


@each_end
def test_a_polling_interval_that_raises_it_is_reported_and_polling_goes_on(
    server: RealServer, end: BaseException
) -> None:
    class Shard(RedisShard):
        """A shard class of a user."""

        def polling_interval(self) -> float:
            if self.revision < 3:
                raise end
            return 0.01

        MAX_POLLING_INTERVAL = 0.01

    with watching() as watch:
        shard = Shard("s", server.url)
        RedisShard.MAX_POLLING_INTERVAL, default = 0.02, RedisShard.MAX_POLLING_INTERVAL
        try:
            watch.publisher.add_shard(shard)
            watch.wait_polls(shard, 6)
        finally:
            RedisShard.MAX_POLLING_INTERVAL = default
        assert watch.poller.stats.poll.errors == 2


@each_end
def test_a_snapshot_callback_that_raises_it_does_not_stop_polling(
    server: RealServer, end: BaseException
) -> None:
    def fail(*_args: object) -> None:
        raise end

    with watching() as watch:
        watch.poller.subscribe_snapshots(fail)
        shard = watch.add(server.url)
        watch.wait_polls(shard, 4)
        assert watch.poller.stats.poll.errors >= 4


@each_end
def test_an_exception_event_that_raises_it_does_not_stop_polling(
    server: RealServer, end: BaseException
) -> None:
    class RaisingEvent:
        """An exception event that raises."""

        def set_exception(self, exception: BaseException) -> None:
            raise end

    def fail(*_args: object) -> None:
        raise ValueError("no luck")

    with watching() as watch:
        watch.poller.set_exception_event(RaisingEvent())
        watch.poller.subscribe_snapshots(fail)
        watch.wait_polls(watch.add(server.url), 4)
        assert watch.poller.stats.faults["exception event"] >= 4


@each_end
def test_an_event_callback_that_raises_it_does_not_keep_the_event_from_others(
    end: BaseException,
) -> None:
    seen: list[Event] = []

    def fail(_event: object) -> None:
        raise end

    log = EventLog()
    log.subscribe(fail)
    log.subscribe(seen.append)
    log.emit("a", "up")
    assert [event.type for event in seen] == ["up"]
    assert log.callback_errors == 1


@each_end
def test_a_timeout_in_a_callback_of_the_publisher_is_raised_after_all_were_called(
    end: BaseException,
) -> None:
    seen: list[str] = []

    def wait(_shard: object) -> None:
        raise end  # as if it waited until the timeout of the caller

    publisher = ShardPublisher()
    publisher.subscribe_shard_event(ShardEvent.ADDED, wait)
    publisher.subscribe_shard_event(ShardEvent.ADDED, lambda shard: seen.append(shard.id))
    with pytest.raises(type(end)):
        publisher.add_shard(RedisShard("a", "redis://h"))
    assert seen == ["a"]
    assert "a" in publisher


def test_a_task_that_is_killed_before_its_restart_is_restarted() -> None:
    runs: list[gevent.Greenlet[..., object]] = []

    def task() -> None:
        runs.append(gevent.getcurrent())  # type: ignore[arg-type]  # a Greenlet, here
        raise ValueError("boom")

    supervisor = Supervisor()
    supervisor.spawn("task", task)
    wait_until(lambda: len(runs) == 1, what="the first run")
    runs[0].kill(block=False)
    wait_until(lambda: len(runs) >= 3, what="the third run")
    supervisor.stop()


def test_a_deferred_timeout_check_of_one_poll_does_not_fail_the_next(promise: Promise) -> None:
    requests: list[float] = []

    def script(sock: Any) -> None:
        while True:
            if read_command(sock)[0] != b"INFO":
                sock.sendall(b"+OK\r\n")
                continue
            requests.append(1)
            if len(requests) == 2:
                gevent.sleep(0.3)  # slow, but within the timeout
            if len(requests) == 3:
                gevent.sleep(0.1)
            sock.sendall(BULK)

    limits = PollLimits(timeout=60, connect_timeout=60)
    with peer(script) as url, watching(limits=limits) as watch:
        shard = watch.add(url, MIN_POLLING_INTERVAL=0.05, MAX_POLLING_INTERVAL=0.05)
        wait_until(lambda: len(requests) == 2, what="a slow poll")
        state = watch.poller._states[shard.id]
        watch.poller._on_timeout(state)  # as after a minute: a check is deferred ...
        check = watch.poller._callback_queue._callbacks.pop()
        wait_until(lambda: len(requests) == 3, what="the next poll")
        check()  # ... and runs during the next poll
        watch.wait_polls(shard, 3)
        promise(
            "the timeout check of a poll runs during the next poll",
            "the next poll does not time out",
            f"events {watch.types()}",
        )
        assert watch.types() == ["added", "up"]
        assert not watch.poller.stats.poll.failures
