"""Requests are served between polls that one iteration of the event loop reads together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import gevent
import gevent.monkey
import pytest
import zmq

from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo import RedisShard
from zinfo.config.models import BusConfig, Config, QueryConfig
from zinfo.daemon.daemon import Daemon
from zinfo.loop.callback_queue import CallbackQueue
from zinfo.loop.urgent_work import UrgentWork
from zinfo.wire.query_messages import Request, decode_reply, encode_request

MOST = 16
"""Pieces of work between two runs of the urgent work."""

SHARDS = 64
FREE_PORT = "tcp://127.0.0.1:*"
# Not a readiness check: lets time pass in which the event loop stands still.
pass_time = gevent.monkey.get_original("time", "sleep")


class Shard(RedisShard):
    """A shard that is polled at the start, and then only on demand."""

    MIN_POLLING_INTERVAL = MAX_POLLING_INTERVAL = 600.0


def no_exception(error: BaseException) -> None:
    """Fail: no callback of the test is to raise."""
    raise AssertionError from error


@pytest.fixture
def daemon(server: RealServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon in this process, which has polled each of its shards once."""
    # It changes the whole process, and is not reversed at the end.
    monkeypatch.setattr("zinfo.daemon.daemon._configure_garbage_collector", lambda: None)
    query = QueryConfig(endpoint=FREE_PORT)
    daemon = Daemon(Config(bus=BusConfig(endpoint=FREE_PORT), query=query))
    daemon.start()
    try:
        for number in range(SHARDS):
            daemon.publisher.add_shard(Shard(f"s{number}", server.url))
        wait_until(lambda: daemon.poller.revisions == SHARDS, what="the first polls")
        yield daemon
    finally:
        daemon.stop()


def test_urgent_work_runs_after_every_few_pieces_of_other_work() -> None:
    urgent = UrgentWork()
    done: list[str] = []
    urgent.count()  # no urgent work is set: nothing happens
    urgent.run = lambda: done.append("urgent")
    for _ in range(3 * MOST):
        urgent.count()
        done.append("work")
    runs = [len(list(group)) for what, group in groupby(done) if what == "work"]
    assert done.count("urgent") == 3
    assert max(runs) <= MOST


def test_urgent_work_runs_between_deferred_callbacks_of_one_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zinfo.loop.callback_queue.YIELD_INTERVAL", 60.0)  # one iteration
    urgent, done = UrgentWork(), list[str]()
    urgent.run = lambda: done.append("urgent")
    queue = CallbackQueue(no_exception, urgent)
    for _ in range(3 * MOST):
        queue.defer(lambda: done.append("callback"))
    wait_until(lambda: done.count("callback") == 3 * MOST)
    assert done.count("urgent") == 3


def test_a_request_is_served_between_replies_that_arrived_together(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zinfo.loop.callback_queue.YIELD_INTERVAL", 60.0)  # one iteration
    served: list[int] = []  # by poll: the pings that were served before it
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        client = stack.enter_context(context.socket(zmq.DEALER))
        client.linger = 0
        client.connect(daemon.router.endpoint)

        def ping() -> None:
            client.send_multipart([b"", *encode_request(Request("ping", {}, id=1))])

        def on_snapshot(*_snapshot: Any) -> None:
            if not served:
                ping()
                pass_time(0.1)  # the request arrives while the other replies wait to be read
            served.append(daemon.stats.query.requests["ping"] - 1)

        ping()
        wait_until(lambda: client.poll(0), sleep=gevent.sleep)  # it is connected
        assert decode_reply(client.recv_multipart()[1:]).error is None
        daemon.poller.subscribe_snapshots(on_snapshot)
        for number in range(SHARDS):
            daemon.poller.refresh(f"s{number}", 0.0)
        pass_time(0.1)  # all replies arrive
        wait_until(lambda: len(served) == SHARDS, sleep=gevent.sleep)
        wait_until(lambda: client.poll(0), sleep=gevent.sleep)
    assert 0 < served.count(0) <= 2 * MOST
