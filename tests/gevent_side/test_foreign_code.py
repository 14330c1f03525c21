"""Callables of the user may raise what is no Exception: gevent's Timeout and GreenletExit."""

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
    """A callable that raises the first time."""
    calls = itertools.count()

    def call() -> Any:
        if next(calls) == 0:
            raise end
        return then()

    return call


@each_end
def test_redis_conn_that_raises_it_is_a_failed_poll_and_is_tried_again(
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
def test_a_client_whose_info_raises_it_is_a_failed_poll(end: BaseException) -> None:
    class Client:
        """Anything with `info()`."""

        def __init__(self) -> None:
            self.info = raising_first(end, lambda: {"role": "master", "run_id": "a"})

    with watching(max_connecting=1) as watch:
        shard = watch.add(Client())
        watch.wait_for("down")
        watch.wait_for("up")
        watch.wait_polls(shard)


@each_end
def test_an_interval_that_raises_it_is_told_and_polling_goes_on(
    server: RealServer, end: BaseException
) -> None:
    class Shard(RedisShard):
        """Somebody's own."""

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
def test_a_subscriber_of_snapshots_that_raises_it_stops_no_poll(
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
def test_an_exception_event_that_raises_it_stops_no_poll(
    server: RealServer, end: BaseException
) -> None:
    class Told:
        """Takes exceptions, or does not."""

        def set_exception(self, exception: BaseException) -> None:
            raise end

    def fail(*_args: object) -> None:
        raise ValueError("no luck")

    with watching() as watch:
        watch.poller.set_exception_event(Told())
        watch.poller.subscribe_snapshots(fail)
        watch.wait_polls(watch.add(server.url), 4)
        assert watch.poller.stats.faults["exception event"] >= 4


@each_end
def test_a_subscriber_of_events_that_raises_it_keeps_none_from_the_others(
    end: BaseException,
) -> None:
    told: list[Event] = []

    def fail(_event: object) -> None:
        raise end

    log = EventLog()
    log.subscribe(fail)
    log.subscribe(told.append)
    log.emit("a", "up")
    assert [event.type for event in told] == ["up"]
    assert log.callback_errors == 1


@each_end
def test_a_timeout_around_a_publisher_ends_the_caller_after_all_subscribers_were_called(
    end: BaseException,
) -> None:
    told: list[str] = []

    def wait(_shard: object) -> None:
        raise end  # as where it waited, and the caller's time was over

    publisher = ShardPublisher()
    publisher.subscribe_shard_event(ShardEvent.ADDED, wait)
    publisher.subscribe_shard_event(ShardEvent.ADDED, lambda shard: told.append(shard.id))
    with pytest.raises(type(end)):
        publisher.add_shard(RedisShard("a", "redis://h"))
    assert told == ["a"]
    assert "a" in publisher


def test_a_part_that_is_killed_between_two_runs_runs_again() -> None:
    runs: list[gevent.Greenlet[..., object]] = []

    def part() -> None:
        runs.append(gevent.getcurrent())  # type: ignore[arg-type]  # a Greenlet, here
        raise ValueError("boom")

    supervisor = Supervisor()
    supervisor.spawn("part", part)
    wait_until(lambda: len(runs) == 1, what="the first run")
    runs[0].kill(block=False)
    wait_until(lambda: len(runs) >= 3, what="the third run")
    supervisor.stop()


def test_a_late_look_at_one_poll_says_nothing_of_the_next(promise: Promise) -> None:
    asked: list[float] = []

    def script(sock: Any) -> None:
        while True:
            if read_command(sock)[0] != b"INFO":
                sock.sendall(b"+OK\r\n")
                continue
            asked.append(1)
            if len(asked) == 2:
                gevent.sleep(0.3)  # in time, and answered in the end
            if len(asked) == 3:
                gevent.sleep(0.1)
            sock.sendall(BULK)

    limits = PollLimits(timeout=5, connect_timeout=5)
    with peer(script) as url, watching(limits=limits) as watch:
        shard = watch.add(url, MIN_POLLING_INTERVAL=0.05, MAX_POLLING_INTERVAL=0.05)
        wait_until(lambda: len(asked) == 2, what="a poll that takes a while")
        polled = watch.poller._states[shard.id]
        watch.poller._on_timeout(polled)  # as after 5 seconds: a look is postponed ...
        late = watch.poller._callback_queue._callbacks.pop()
        wait_until(lambda: len(asked) == 3, what="the next poll")
        late()  # ... and comes when the next poll is under way
        watch.wait_polls(shard, 3)
        promise(
            "a look at an overdue poll comes during the next poll",
            "the next poll is not reported as overdue",
            f"events {watch.types()}",
        )
        assert watch.types() == ["added", "up"]
        assert not watch.poller.stats.poll.failures
