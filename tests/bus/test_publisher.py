"""The bus of a real daemon, received through plain SUB sockets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from tests.bus_subscriber import subscribed
from tests.daemons import RunningDaemon
from tests.load import put_load
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.wire.bus_messages import topic

OTHERS = ("other-1", "other-2")
QUICK = {
    "ZINFO_POLL_MIN_INTERVAL": "0.05",
    "ZINFO_POLL_MAX_INTERVAL": "0.1",
    "ZINFO_BUS_HEARTBEAT": "0.2",
}


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """One server for all tests of this module; each leaves it running."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    """One daemon for all tests of this module; it has the server as three shards."""
    others = "".join(f'[[shards]]\nid = "{name}"\nurl = "{server.url}"\n' for name in OTHERS)
    with RunningDaemon([server.url], config_text=others, environ=QUICK) as daemon:
        daemon.wait_polled(3)
        yield daemon


def stats(daemon: RunningDaemon) -> Any:
    return daemon.ask("stats").body


def test_revisions_follow_each_other_and_snapshots_follow_from_deltas(
    daemon: RunningDaemon, server: RealServer
) -> None:
    topics = (topic(kind, server.ident) for kind in ("info", "delta"))
    with subscribed(daemon.bus, *topics) as subscriber:
        first = subscriber.until(lambda m: m.kind == "info")[-1]
        fields, revision = first.body, first.header.seq
        for round_ in range(8):
            if round_ == 3:
                put_load(server.client())  # adds lines
            if round_ == 6:
                server.client().flushall()  # removes lines
            delta, info = (subscriber.receive() for _ in range(2))
            assert (delta.kind, info.kind, delta.name) == ("delta", "info", server.ident)
            assert delta.header.seq == info.header.seq == revision + 1
            assert delta.body["base"] == revision
            for name in delta.body["unset"]:
                del fields[name]
            fields.update(delta.body["set"])
            assert fields == info.body
            revision += 1


def test_every_message_names_version_node_epoch_and_time(daemon: RunningDaemon) -> None:
    hello: Any = daemon.ask("hello").body
    with subscribed(daemon.bus, b"z1/") as subscriber:
        for message in subscriber.until(lambda m: m.kind == "hb"):
            header = message.header
            assert (header.version, header.node, header.epoch) == (1, hello["node"], hello["epoch"])
            assert header.time > 1.7e9


def test_the_first_delta_of_a_shard_holds_everything(server: RealServer) -> None:
    config = '[[shards]]\nurl = "redis://127.0.0.1:1"\n'
    with RunningDaemon(config_text=config, environ=QUICK) as daemon:
        with subscribed(daemon.bus, topic("delta"), topic("event")) as subscriber:
            daemon.config_path.write_text(f'[[shards]]\nurl = "{server.url}"\n')
            daemon.signal(_signal("SIGHUP"))
            received = subscriber.until(lambda m: m.kind == "delta")
        assert [m.body["type"] for m in received[:-1] if m.name == server.ident] == ["added", "up"]
        first = received[-1]
        assert (first.body["base"], first.body["unset"]) == (0, [])
        assert first.body["set"]["tcp_port"] == server.port


def _signal(name: str) -> Any:
    import signal

    return signal.Signals[name]


def test_a_subscription_to_one_shard_brings_no_other_shard(daemon: RunningDaemon) -> None:
    with subscribed(daemon.bus, topic("info", OTHERS[0])) as subscriber:
        assert {subscriber.receive().name for _ in range(5)} == {OTHERS[0]}


def test_events_have_a_sequence_per_shard_and_are_published_once(
    daemon: RunningDaemon, server: RealServer
) -> None:
    with subscribed(daemon.bus, topic("event", server.ident)) as subscriber:
        server.kill()
        down = subscriber.receive()
        assert (down.body["type"], down.body["old"], down.body["reason"]) == (
            "down",
            "up",
            "refused",
        )
        server.restart()
        up, restarted = subscriber.receive(), subscriber.receive()
    assert [up.body["type"], restarted.body["type"]] == ["up", "restarted"]
    seqs = [m.header.seq for m in (down, up, restarted)]
    assert seqs == list(range(seqs[0], seqs[0] + 3))
    since = down.body["number"] - 1
    replayed: Any = daemon.ask("events", since=since, ids=[server.ident]).body
    assert replayed == [down.body, up.body, restarted.body]


def test_heartbeats_carry_totals_that_a_subscriber_of_everything_can_check(
    daemon: RunningDaemon,
) -> None:
    with subscribed(daemon.bus, topic("hb"), topic("delta")) as subscriber:
        first = subscriber.until(lambda m: m.kind == "hb")[-1]
        between = subscriber.until(lambda m: m.kind == "hb")
        second = between[-1]
    assert second.header.seq == first.header.seq + 1
    assert second.body["revisions"] - first.body["revisions"] == len(between) - 1 > 0
    assert second.body["shards"] == 3
    assert second.body["query"] == daemon.query
    assert second.body["bus"] == daemon.bus


def test_messages_without_a_subscriber_are_not_sent(
    daemon: RunningDaemon, server: RealServer
) -> None:
    def sent(kind: str) -> int:
        count: int = stats(daemon)["bus"]["messages"].get(kind, 0)
        return count

    def no_topics() -> bool:
        return bool(stats(daemon)["bus"]["topics"] == 0)

    wait_until(no_topics, what="the subscriptions of earlier tests to end")
    before = sent("info")
    with subscribed(daemon.bus, topic("delta", server.ident)) as subscriber:
        subscriber.receive()
    wait_until(no_topics, what="the subscription to end")
    deltas, polls = sent("delta"), stats(daemon)["poll"]["replies"]
    wait_until(lambda: stats(daemon)["poll"]["replies"] >= polls + 15, what="polls of each shard")
    assert (sent("info"), sent("delta")) == (before, deltas)


def test_each_of_two_subscribers_gets_its_own_fence(daemon: RunningDaemon) -> None:
    with subscribed(daemon.bus, topic("hb")) as one, subscribed(daemon.bus, topic("hb")) as two:
        assert [m.kind for m in one.before_fence if m.kind != "hb"] == ["fence"]
        assert set(one.before_fence[-1].body) == set(one.until(lambda m: m.kind == "hb")[-1].body)
        assert [m.kind for m in two.before_fence if m.kind != "hb"] == ["fence"]


def test_messages_of_subscribers_that_are_no_subscriptions_are_counted_and_dropped(
    daemon: RunningDaemon,
) -> None:
    refused = stats(daemon)["bus"]["refused"]
    with zmq.Context() as context, context.socket(zmq.XSUB) as socket:
        socket.linger = 0
        socket.connect(daemon.bus)
        socket.send(b"\x07hello")
        socket.send_multipart([b"\x01z1/hb/", b"more"])
        socket.send(b"")
        socket.send(b"\x01~fence/" + b"x" * 500)  # a fence that is too long is not echoed
        socket.send(b"\x01z1/hb/")
        assert socket.poll(30_000), "the good subscription is served"
        assert socket.recv_multipart()[0].startswith(b"z1/hb/")
    assert stats(daemon)["bus"]["refused"] >= refused + 2


def test_a_restarted_daemon_has_a_new_epoch(daemon: RunningDaemon) -> None:
    with subscribed(daemon.bus, topic("hb")) as subscriber:
        before = subscriber.receive().header
        daemon.kill()
        daemon.start()
        after = subscriber.until(lambda m: m.header.epoch != before.epoch)[-1]
    beats = stats(daemon)["uptime"] / after.body["interval"]
    assert after.header.node != before.node
    assert after.header.seq <= beats + 1, "the sequence begins again"


def test_a_subscriber_that_reads_nothing_does_not_delay_others(daemon: RunningDaemon) -> None:
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        deaf = stack.enter_context(context.socket(zmq.SUB))
        deaf.linger, deaf.rcvhwm, deaf.rcvbuf = 0, 1, 1024
        deaf.connect(daemon.bus)
        deaf.subscribe(b"z1/")
        with subscribed(daemon.bus, topic("delta", OTHERS[0])) as subscriber:
            seqs = [subscriber.receive().header.seq for _ in range(30)]
    assert seqs == list(range(seqs[0], seqs[0] + 30))
