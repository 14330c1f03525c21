"""Subscriber against a peer on real sockets."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tests.client.flavours import Flavour
from tests.client.model import ModelDaemon
from tests.client.updates import following
from tests.client.wire_peer import QUICK_INTERVAL, WirePeer
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.client import Delta, Event, Gap, Heartbeat, Restart, Snapshot, Stale, Subscriber
from zinfo.errors import ConfigError, NoAnswerError


def test_the_subscriptions_are_in_place_when_the_constructor_returns(
    peer: WirePeer, flavour: Flavour
) -> None:
    for _ in range(5):
        with flavour.subscriber(peer.query) as subscriber:
            peer.do(lambda daemon: daemon.poll("a"))
            update = subscriber.recv(60)
            assert isinstance(update, Delta)
            assert update.revision == peer.daemon.shards["a"].revision


def test_it_iterates_over_the_requested_shards_and_kinds(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.subscriber(peer.query, shard_ids=["a"], kinds=("info", "event")) as subscriber:
        peer.do(lambda daemon: daemon.poll("b"))
        peer.do(lambda daemon: daemon.poll("a"))
        peer.do(lambda daemon: daemon.enter("a", "down"))
        updates = iter(subscriber)
        assert isinstance(next(updates), Snapshot)
        assert isinstance(next(updates), Event)
        assert subscriber.recv(0.05) is None
        assert not subscriber.stale
        assert subscriber.malformed == 0


def test_a_bus_endpoint_alone_is_enough(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.subscriber(bus=peer.bus, kinds=["hb"]) as subscriber:
        peer.beat()
        heartbeat = subscriber.recv(60)
        assert isinstance(heartbeat, Heartbeat)
        assert heartbeat.shards == 3
    assert not peer.requests


def test_a_lost_message_is_a_gap(peer: WirePeer, flavour: Flavour) -> None:
    with flavour.subscriber(peer.query, kinds=("delta", "hb")) as subscriber:
        peer.beat()
        assert isinstance(subscriber.recv(60), Heartbeat)
        peer.do(lambda _: setattr(peer, "drop", 2))  # the delta, and the "info" message
        peer.do(lambda daemon: daemon.poll("a"))
        peer.beat()
        gap = subscriber.recv(60)
        assert isinstance(gap, Gap)
        assert (gap.shard, gap.kind) == (None, "delta")


def test_silence_is_reported_and_updates_continue_afterwards(
    quick_peer: WirePeer, flavour: Flavour
) -> None:
    peer = quick_peer
    with flavour.subscriber(peer.query) as subscriber:
        peer.mute = True
        stale = subscriber.recv(60)
        assert isinstance(stale, Stale)
        assert subscriber.stale
        peer.mute = False
        while subscriber.stale:
            subscriber.recv(0.1)
        peer.do(lambda daemon: daemon.poll("a"))
        following(subscriber, Delta)


def poll_often(daemon: ModelDaemon) -> None:
    """Publish more messages than one batch, before the next heartbeat."""
    for _ in range(500):
        daemon.poll("b")


def test_a_busy_consumer_does_not_get_a_stale_update(
    quick_peer: WirePeer, flavour: Flavour
) -> None:
    peer = quick_peer
    many = ["a", *(f"s{number}" for number in range(600))]
    with flavour.subscriber(peer.query, shard_ids=many, kinds=["delta"]) as subscriber:
        peer.do(poll_often)
        busy_until = time.monotonic() + 4 * QUICK_INTERVAL
        wait_until(lambda: time.monotonic() > busy_until, what="the consumer's own work")
        peer.beat()
        peer.do(lambda daemon: daemon.poll("a"))
        assert isinstance(subscriber.recv(60), Delta)


def test_a_daemon_restarted_with_another_bus_endpoint_is_found(
    quick_peer: WirePeer, flavour: Flavour
) -> None:
    peer = quick_peer
    with flavour.subscriber(peer.query) as subscriber:
        peer.restart("a", same_bus=False)
        assert isinstance(subscriber.recv(60), Stale)
        assert following(subscriber, Restart).epoch == 2
        peer.do(lambda daemon: daemon.poll("a"))
        following(subscriber, Delta)


def test_without_a_daemon_the_error_has_endpoint_and_advice(flavour: Flavour) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(NoAnswerError, match=rf"{endpoint} within \d\.\d s .*zinfo serve"):
        flavour.subscriber(endpoint, timeout=0.3)


def test_a_bus_endpoint_without_a_daemon_is_an_error(flavour: Flavour) -> None:
    with pytest.raises(NoAnswerError):
        flavour.subscriber(bus=f"tcp://127.0.0.1:{free_port()}", timeout=0.2)


def test_a_bus_endpoint_that_zmq_rejects_is_reported(peer: WirePeer, flavour: Flavour) -> None:
    peer.daemon.bus = f"ipc:///{'x' * 200}"
    with pytest.raises(NoAnswerError, match="cannot connect"):
        flavour.subscriber(peer.query, timeout=1)


def test_wrong_arguments_are_refused(flavour: Flavour) -> None:
    with pytest.raises(TypeError, match="several"):
        flavour.subscriber(shard_ids="a")
    with pytest.raises(ConfigError, match="no endpoint"):
        flavour.subscriber(bus="here")
    with pytest.raises(ValueError, match="kinds"):
        flavour.subscriber(kinds=["all"])


def test_a_closed_subscriber_raises_and_ends_its_iteration(
    peer: WirePeer, flavour: Flavour
) -> None:
    subscriber = flavour.subscriber(peer.query)
    subscriber.close()
    assert list(subscriber) == []
    with pytest.raises(ValueError, match="closed"):
        subscriber.recv()


def test_ctrl_c_ends_the_wait(peer: WirePeer, blocking: Flavour) -> None:
    main, ended = threading.main_thread().ident, threading.Event()
    assert main is not None

    def press() -> None:
        # Again after some seconds: Python drops what a signal raises while it runs a finalizer.
        pause = 0.2
        while not ended.wait(pause):
            signal.pthread_kill(main, signal.SIGINT)
            pause = 10.0

    def wait(subscriber: Subscriber) -> None:
        threading.Thread(target=press).start()
        try:
            subscriber.recv()
        finally:
            ended.set()

    with blocking.subscriber(peer.query) as subscriber, pytest.raises(KeyboardInterrupt):
        wait(subscriber)
