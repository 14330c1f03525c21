"""What a Subscriber tells, and that no loss goes untold, in a world without sockets."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest

from tests.client.world import Network
from zinfo.client.subscriber_state import SubscriberState
from zinfo.client.updates import Delta, Gap, Heartbeat, Restart, Snapshot, Stale, Update
from zinfo.errors import NotAllowedError
from zinfo.wire.bus_messages import topic
from zinfo.wire.lifecycle import Event


class Stream(Network):
    """A Subscriber that joined a daemon with shards a and b, each polled once before."""

    def __init__(
        self,
        *kinds: str,
        shards: Collection[str] = (),
        fence_totals: bool = False,
        bus: str | None = None,
    ) -> None:
        self.stream = SubscriberState(
            None if bus else "inproc://query",
            bus=bus,
            shards=shards,
            kinds=kinds,
            rng=random.Random(1),
        )
        super().__init__(self.stream, fence_totals=fence_totals)
        for shard in ("a", "b"):
            self.daemon.add(shard)
            self.daemon.poll(shard)
        self.run(1.5, polls=False)
        self.updates()

    def updates(self) -> list[Update]:
        """What was told since the last call."""
        self.settle()
        told = list(self.stream.updates)
        self.stream.updates.clear()
        return told

    def lose(self) -> None:
        self.bus.pop()


# --- updates


def test_each_kind_gives_its_type_of_update() -> None:
    stream = Stream("info", "delta", "event", "hb")
    stream.daemon.poll("a", {"role": "master"})
    stream.daemon.enter("a", "down", "timeout")
    stream.daemon.beat()
    delta, snapshot, event, heartbeat = stream.updates()
    assert isinstance(delta, Delta)
    assert (delta.shard, delta.revision, delta.base) == ("a", 2, 1)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.info == {"role": "master", "uptime_in_seconds": 3}
    assert isinstance(event, Event)
    assert (event.type, event.reason, event.number) == ("down", "timeout", 5)
    assert isinstance(heartbeat, Heartbeat)
    assert (heartbeat.shards, heartbeat.revisions, heartbeat.events) == (2, 3, 5)
    only = Stream("event")
    only.daemon.poll("a")
    only.daemon.beat()
    assert only.updates() == []


def test_only_requested_shards_give_updates() -> None:
    stream = Stream("delta", "event", shards=["a"])
    stream.daemon.poll("b")
    stream.daemon.happen("b", "restarted")
    stream.daemon.poll("a")
    (update,) = stream.updates()
    assert isinstance(update, Delta)
    assert update.shard == "a"


def test_many_shards_are_filtered_instead_of_subscribed() -> None:
    stream = Stream("delta", "event", shards=[f"s{number}" for number in range(250)] + ["a"])
    assert topic("delta") in stream.subscribed
    stream.daemon.poll("b")
    stream.daemon.enter("b", "down")
    stream.daemon.poll("a")
    (update,) = stream.updates()
    assert isinstance(update, Delta)


@pytest.mark.parametrize("kinds", [(), ("delta", "dela")])
def test_unknown_kinds_and_no_kinds_are_refused(kinds: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="kinds are info, delta, event and hb"):
        SubscriberState("inproc://query", kinds=kinds)


# --- gaps


@pytest.mark.parametrize("kind", ["delta", "info"])
def test_a_lost_message_gives_one_gap_before_the_next_message(kind: str) -> None:
    stream = Stream(kind)
    stream.daemon.poll("a")
    stream.updates()
    stream.daemon.poll("a")
    stream.lose()
    stream.daemon.poll("a")
    stream.daemon.beat()
    gap, update = stream.updates()
    assert gap == Gap("a", kind, 3, 4)
    assert isinstance(update, (Delta, Snapshot))


def test_the_loss_of_the_last_message_gives_a_gap_at_the_next_heartbeat() -> None:
    stream = Stream("delta")
    stream.daemon.poll("a")
    stream.lose()
    stream.daemon.beat()
    assert stream.updates() == [Gap(None, "delta", 3, 2)]
    stream.daemon.beat()
    assert stream.updates() == []


@pytest.mark.parametrize("fence_totals", [False, True])
def test_a_loss_found_by_a_total_is_not_reported_again_for_its_shard(fence_totals: bool) -> None:
    stream = Stream("delta", fence_totals=fence_totals)
    stream.daemon.poll("a")
    stream.updates()
    stream.cut_bus()
    stream.daemon.poll("a")
    stream.daemon.poll("a")
    told = stream.updates()
    stream.daemon.beat()
    told += stream.updates()
    assert told == [Gap(None, "delta", 5, 3)]
    stream.daemon.poll("a")
    stream.daemon.beat()
    (delta,) = stream.updates()
    assert isinstance(delta, Delta)


def test_a_loss_found_by_a_total_does_not_hide_later_ones() -> None:
    stream = Stream("delta")
    stream.daemon.poll("a")
    stream.updates()
    stream.daemon.poll("a")
    stream.lose()
    stream.daemon.beat()
    assert stream.updates() == [Gap(None, "delta", 4, 3)]
    stream.daemon.poll("b")
    stream.lose()
    stream.daemon.poll("a")
    stream.daemon.beat()
    delta, gap = stream.updates()
    assert isinstance(delta, Delta)
    assert gap == Gap(None, "delta", 6, 5)
    stream.daemon.poll("a")
    stream.daemon.poll("a")
    stream.lose()
    stream.daemon.poll("a")
    _, gap, _ = stream.updates()
    assert gap == Gap("a", "delta", 6, 7)


def test_with_totals_in_the_fence_a_loss_before_the_first_heartbeat_is_found() -> None:
    stream = Stream("delta", fence_totals=True)
    stream.restart_daemon(["a"])
    while stream.stream.session.joins < 2:
        stream.tick(0.1)
        stream.updates()
    stream.daemon.poll("a")
    stream.lose()
    stream.daemon.beat()
    assert stream.updates() == [Gap(None, "delta", 1, 0)]


def test_a_lost_event_gives_a_gap_before_the_next_event_or_at_the_next_heartbeat() -> None:
    stream = Stream("event")
    stream.daemon.enter("a", "down")
    stream.lose()
    stream.daemon.enter("b", "down")
    gap, event = stream.updates()
    assert gap == Gap(None, "event", 5, 6)
    assert isinstance(event, Event)
    stream.daemon.enter("b", "up")
    stream.lose()
    stream.daemon.beat()
    assert stream.updates() == [Gap(None, "event", 7, 6)]


def test_with_some_shards_a_lost_event_gives_a_gap_of_its_shard() -> None:
    stream = Stream("event", shards=["a"])
    stream.daemon.happen("a", "restarted")
    stream.daemon.enter("a", "down")
    stream.updates()
    stream.daemon.enter("a", "up")
    stream.lose()
    stream.daemon.happen("a", "restarted")
    gap, event = stream.updates()
    assert gap == Gap("a", "event", 5, 6)
    assert isinstance(event, Event)


def test_a_shard_that_is_added_again_gives_no_gap() -> None:
    for shards in ([], ["a"]):
        stream = Stream("info", "delta", "event", shards=shards)
        stream.daemon.poll("a")
        stream.daemon.remove("a")
        stream.daemon.add("a")
        stream.daemon.poll("a")
        stream.daemon.beat()
        assert not [update for update in stream.updates() if isinstance(update, Gap)]


def test_a_delta_with_another_base_gives_a_gap() -> None:
    stream = Stream("delta")
    stream.daemon.poll("a")
    stream.updates()
    stream.daemon.shards["a"].revision = 1
    stream.daemon.poll("a")
    stream.bus[-1][1] = stream.daemon._header(3)
    gap, _ = stream.updates()
    assert gap == Gap("a", "delta", 2, 1)


def test_a_repeated_message_gives_one_update() -> None:
    stream = Stream("delta", "event")
    stream.daemon.poll("a")
    stream.daemon.enter("a", "down")
    stream.bus.extend(list(stream.bus))
    assert len(stream.updates()) == 2
    assert stream.stream.repeated == 2


def test_a_malformed_message_is_counted_and_gives_a_gap() -> None:
    stream = Stream("delta")
    stream.daemon.poll("a")
    stream.bus[-1][2] = b"\xc1"
    stream.daemon.beat()
    assert stream.updates() == [Gap(None, "delta", 3, 2)]
    assert stream.stream.malformed == 1


# --- connections


def test_silence_is_reported_once_and_missed_messages_give_a_gap() -> None:
    stream = Stream("delta")
    stream.topics = ()
    for _ in range(40):
        stream.tick(0.1)
        stream.asked.clear()
    stream.daemon.poll("a")
    (told,) = stream.updates()
    assert isinstance(told, Stale)
    assert told.seconds == pytest.approx(3.0, abs=0.2)
    assert told.reason.startswith("no heartbeat for 3")
    stream.run(5, polls=False)
    assert stream.updates() == [Gap(None, "delta", 3, 2)]


def test_with_some_shards_a_reconnect_gives_a_gap_of_each_kind() -> None:
    stream = Stream("delta", "event", "hb", shards=["a"])
    stream.cut_bus()
    assert stream.updates() == [Gap(None, "delta", None, None), Gap(None, "event", None, None)]


def test_a_reconnect_without_a_loss_is_not_reported() -> None:
    stream = Stream("delta", "event")
    stream.cut_bus()
    stream.daemon.beat()
    stream.updates()
    stream.daemon.beat()
    assert stream.updates() == []


@pytest.mark.parametrize("bus", [None, "inproc://bus"])
def test_a_restarted_daemon_is_reported_and_counting_starts_again(bus: str | None) -> None:
    stream = Stream("delta", bus=bus)
    stream.restart_daemon(["a"])
    stream.settle()
    stream.run(3, polls=False)
    stale, restart = stream.updates()
    assert isinstance(stale, Stale)
    assert restart == Restart("model", 1, 2)
    stream.daemon.poll("a")
    stream.daemon.beat()
    (delta,) = stream.updates()
    assert isinstance(delta, Delta)
    assert delta.revision == 1


def test_after_a_long_pause_a_consumer_gets_queued_messages_and_no_stale_update() -> None:
    stream = Stream("delta")
    stream.daemon.poll("a")
    stream.daemon.beat()
    stream.now += 60
    (update,) = stream.updates()
    stream.tick()
    assert isinstance(update, Delta)
    assert stream.updates() == []


def test_after_a_refused_or_malformed_reply_to_hello_it_joins_again() -> None:
    stream = Stream("delta")
    for answer in (NotAllowedError("not you"), None):
        stream.topics = ()
        while not stream.asked:
            stream.tick(0.1)
        stream.daemon.refusal = answer
        stream.serve()
        if answer is None:
            stream.replies[-1][1] = b"\xc1"
        stream.deliver_reply()
        problem = stream.stream.session.problem
        assert problem == "not you" if answer else "could not be decoded" in problem
    assert stream.stream.malformed == 1
    stream.run(5)
    assert stream.stream.session.joins == 2


def test_events_of_hidden_shards_give_no_gap() -> None:
    stream = Stream("event")
    stream.stream.session.partial = True  # as hello said: the daemon keeps shards from this client
    stream.daemon.enter("a", "down")
    stream.updates()
    stream.daemon.enter("b", "down")
    stream.lose()  # not for this client
    stream.daemon.enter("a", "up")
    (event,) = stream.updates()
    assert isinstance(event, Event)
    stream.daemon.enter("a", "down")
    stream.lose()
    stream.daemon.enter("a", "up")
    gap, event = stream.updates()
    assert isinstance(gap, Gap)
    assert gap.shard == "a"
