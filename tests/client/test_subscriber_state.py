"""A Subscriber's updates, and that every loss is reported, in a world without sockets."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextvars import ContextVar

import pytest

from tests.client.world import Network
from zinfo.client.subscriber_state import SubscriberState
from zinfo.client.updates import Delta, Gap, Heartbeat, Restart, Snapshot, Stale, Update
from zinfo.errors import NotAllowedError
from zinfo.wire.bus_messages import BATCH_TOPIC, pack_batch, topic, unpack_batch
from zinfo.wire.lifecycle import Event

OFFERED: ContextVar[tuple[str, ...] | None] = ContextVar("OFFERED", default=None)
"""Kinds of topics that daemons offer in this test."""


@pytest.fixture(params=[None, ("batch",)], ids=["deltas", "batches"], autouse=True)
def offered(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test runs with single deltas, and with batches."""
    token = OFFERED.set(request.param)
    yield
    OFFERED.reset(token)


class SubscriberWorld(Network):
    """A Subscriber that joined a daemon with shards a and b, each polled once before."""

    def __init__(
        self,
        *kinds: str,
        shards: Collection[str] = (),
        fence_totals: bool = False,
        bus: str | None = None,
    ) -> None:
        self.subscriber = SubscriberState(
            None if bus else "inproc://query",
            bus=bus,
            shards=shards,
            kinds=kinds,
            takes_batches=True,
            rng=random.Random(1),
        )
        super().__init__(self.subscriber, fence_totals=fence_totals, kinds=OFFERED.get())
        for shard in ("a", "b"):
            self.daemon.add(shard)
            self.daemon.poll(shard)
        self.run(1.5, polls=False)
        self.updates()

    def updates(self) -> list[Update]:
        """The updates since the last call."""
        self.settle()
        updates = list(self.subscriber.updates)
        self.subscriber.updates.clear()
        return updates

    def updates_of_batch(self) -> list[Update]:
        """The updates, once the batch is closed."""
        self.daemon.flush()
        return self.updates()

    def lose(self) -> None:
        self.bus.pop()


# --- updates


def test_each_kind_gives_its_type_of_update() -> None:
    world = SubscriberWorld("info", "delta", "event", "hb")
    world.daemon.poll("a", {"role": "master"})
    world.daemon.enter("a", "down", "timeout")
    world.daemon.beat()
    delta, snapshot, event, heartbeat = world.updates()
    assert isinstance(delta, Delta)
    assert (delta.shard, delta.revision, delta.base) == ("a", 2, 1)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.info == {"role": "master", "uptime_in_seconds": 3}
    assert isinstance(event, Event)
    assert (event.type, event.reason, event.number) == ("down", "timeout", 5)
    assert isinstance(heartbeat, Heartbeat)
    assert (heartbeat.shards, heartbeat.revisions, heartbeat.events) == (2, 3, 5)
    only = SubscriberWorld("event")
    only.daemon.poll("a")
    only.daemon.beat()
    assert only.updates() == []


def test_only_requested_shards_give_updates() -> None:
    world = SubscriberWorld("delta", "event", shards=["a"])
    world.daemon.poll("b")
    world.daemon.happen("b", "restarted")
    world.daemon.poll("a")
    (update,) = world.updates()
    assert isinstance(update, Delta)
    assert update.shard == "a"


def test_many_shards_are_filtered_instead_of_subscribed() -> None:
    world = SubscriberWorld(
        "delta", "event", shards=[f"s{number}" for number in range(250)] + ["a"]
    )
    assert {topic("delta"), BATCH_TOPIC} & set(world.subscribed)
    world.daemon.poll("b")
    world.daemon.enter("b", "down")
    world.daemon.poll("a")
    (update,) = world.updates()
    assert isinstance(update, Delta)


@pytest.mark.parametrize("kinds", [(), ("delta", "dela")])
def test_unknown_kinds_and_no_kinds_are_refused(kinds: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="kinds are info, delta, event and hb"):
        SubscriberState("inproc://query", kinds=kinds)


# --- gaps


@pytest.mark.parametrize("kind", ["delta", "info"])
def test_a_lost_message_gives_one_gap_before_the_next_message(kind: str) -> None:
    world = SubscriberWorld(kind)
    world.daemon.poll("a")
    world.updates()
    world.daemon.poll("a")
    world.lose()
    world.daemon.poll("a")
    world.daemon.beat()
    gap, update = world.updates()
    assert gap == Gap("a", kind, 3, 4)
    assert isinstance(update, (Delta, Snapshot))


def test_the_loss_of_the_last_message_gives_a_gap_at_the_next_heartbeat() -> None:
    world = SubscriberWorld("delta")
    world.daemon.poll("a")
    world.lose()
    world.daemon.beat()
    assert world.updates() == [Gap(None, "delta", 3, 2)]
    world.daemon.beat()
    assert world.updates() == []


@pytest.mark.parametrize("fence_totals", [False, True])
def test_a_loss_found_by_a_total_is_not_reported_again_for_its_shard(fence_totals: bool) -> None:
    world = SubscriberWorld("delta", fence_totals=fence_totals)
    world.daemon.poll("a")
    world.updates()
    world.cut_bus()
    world.daemon.poll("a")
    world.daemon.poll("a")
    updates = world.updates()
    world.daemon.beat()
    updates += world.updates()
    assert updates == [Gap(None, "delta", 5, 3)]
    world.daemon.poll("a")
    world.daemon.beat()
    (delta,) = world.updates()
    assert isinstance(delta, Delta)


def test_a_loss_found_by_a_total_does_not_hide_later_ones() -> None:
    world = SubscriberWorld("delta")
    world.daemon.poll("a")
    world.updates()
    world.daemon.poll("a")
    world.lose()
    world.daemon.beat()
    assert world.updates() == [Gap(None, "delta", 4, 3)]
    world.daemon.poll("b")
    world.lose()
    world.daemon.poll("a")
    world.daemon.beat()
    delta, gap = world.updates()
    assert isinstance(delta, Delta)
    assert gap == Gap(None, "delta", 6, 5)
    world.daemon.poll("a")
    world.daemon.poll("a")
    world.lose()
    world.daemon.poll("a")
    _, gap, _ = world.updates()
    assert gap == Gap("a", "delta", 6, 7)


def test_with_totals_in_the_fence_a_loss_before_the_first_heartbeat_is_found() -> None:
    world = SubscriberWorld("delta", fence_totals=True)
    world.restart_daemon(["a"])
    while world.subscriber.session.joins < 2:
        world.tick(0.1)
        world.updates()
    world.daemon.poll("a")
    world.lose()
    world.daemon.beat()
    assert world.updates() == [Gap(None, "delta", 1, 0)]


def test_a_lost_event_gives_a_gap_before_the_next_event_or_at_the_next_heartbeat() -> None:
    world = SubscriberWorld("event")
    world.daemon.enter("a", "down")
    world.lose()
    world.daemon.enter("b", "down")
    gap, event = world.updates()
    assert gap == Gap(None, "event", 5, 6)
    assert isinstance(event, Event)
    world.daemon.enter("b", "up")
    world.lose()
    world.daemon.beat()
    assert world.updates() == [Gap(None, "event", 7, 6)]


def test_with_some_shards_a_lost_event_gives_a_gap_of_its_shard() -> None:
    world = SubscriberWorld("event", shards=["a"])
    world.daemon.happen("a", "restarted")
    world.daemon.enter("a", "down")
    world.updates()
    world.daemon.enter("a", "up")
    world.lose()
    world.daemon.happen("a", "restarted")
    gap, event = world.updates()
    assert gap == Gap("a", "event", 5, 6)
    assert isinstance(event, Event)


def test_a_shard_that_is_added_again_gives_no_gap() -> None:
    for shards in ([], ["a"]):
        world = SubscriberWorld("info", "delta", "event", shards=shards)
        world.daemon.poll("a")
        world.daemon.remove("a")
        world.daemon.add("a")
        world.daemon.poll("a")
        world.daemon.beat()
        assert not [update for update in world.updates() if isinstance(update, Gap)]


def test_a_delta_with_another_base_gives_a_gap() -> None:
    world = SubscriberWorld("delta", bus="inproc://bus")
    world.daemon.poll("a")
    world.updates()
    world.daemon.shards["a"].revision = 1
    world.daemon.poll("a")
    world.bus[-1][1] = world.daemon._header(3)
    gap, _ = world.updates()
    assert gap == Gap("a", "delta", 2, 1)


def test_a_repeated_message_gives_one_update() -> None:
    world = SubscriberWorld("delta", "event")
    world.daemon.poll("a")
    world.daemon.enter("a", "down")
    world.bus.extend(list(world.bus))
    assert len(world.updates()) == 2
    assert world.subscriber.repeated == 2


def test_a_malformed_message_is_counted_and_gives_a_gap() -> None:
    world = SubscriberWorld("delta")
    world.daemon.poll("a")
    world.bus[-1][2] = b"\xc1"
    world.daemon.beat()
    assert world.updates() == [Gap(None, "delta", 3, 2)]
    assert world.subscriber.malformed == 1


# --- connections


def test_silence_is_reported_once_and_missed_messages_give_a_gap() -> None:
    world = SubscriberWorld("delta")
    world.topics = ()
    for _ in range(40):
        world.tick(0.1)
        world.requests.clear()
    world.daemon.poll("a")
    (updates,) = world.updates()
    assert isinstance(updates, Stale)
    assert updates.seconds == pytest.approx(3.0, abs=0.2)
    assert updates.reason.startswith("no heartbeat for 3")
    world.run(5, polls=False)
    assert world.updates() == [Gap(None, "delta", 3, 2)]


def test_with_some_shards_a_reconnect_gives_a_gap_of_each_kind() -> None:
    world = SubscriberWorld("delta", "event", "hb", shards=["a"])
    world.cut_bus()
    assert world.updates() == [Gap(None, "delta", None, None), Gap(None, "event", None, None)]


def test_a_reconnect_without_a_loss_is_not_reported() -> None:
    world = SubscriberWorld("delta", "event")
    world.cut_bus()
    world.daemon.beat()
    world.updates()
    world.daemon.beat()
    assert world.updates() == []


@pytest.mark.parametrize("bus", [None, "inproc://bus"])
def test_a_restarted_daemon_is_reported_and_counting_starts_again(bus: str | None) -> None:
    world = SubscriberWorld("delta", bus=bus)
    world.restart_daemon(["a"])
    world.settle()
    world.run(3, polls=False)
    stale, restart = world.updates()
    assert isinstance(stale, Stale)
    assert restart == Restart("model", 1, 2)
    world.daemon.poll("a")
    world.daemon.beat()
    (delta,) = world.updates()
    assert isinstance(delta, Delta)
    assert delta.revision == 1


def test_after_a_long_pause_a_consumer_gets_queued_messages_and_no_stale_update() -> None:
    world = SubscriberWorld("delta")
    world.daemon.poll("a")
    world.daemon.beat()
    world.now += 60
    (update,) = world.updates()
    world.tick()
    assert isinstance(update, Delta)
    assert world.updates() == []


def test_after_a_refused_or_malformed_reply_to_hello_it_joins_again() -> None:
    world = SubscriberWorld("delta")
    for answer in (NotAllowedError("not you"), None):
        world.topics = ()
        while not world.requests:
            world.tick(0.1)
        world.daemon.refusal = answer
        world.serve()
        if answer is None:
            world.replies[-1][1] = b"\xc1"
        world.deliver_reply()
        problem = world.subscriber.session.problem
        assert problem == "not you" if answer else "could not be decoded" in problem
    assert world.subscriber.malformed == 1
    world.run(5)
    assert world.subscriber.session.joins == 2


def test_events_of_hidden_shards_give_no_gap() -> None:
    world = SubscriberWorld("event")
    world.subscriber.session.partial = True  # as after a hello with `rights`
    world.daemon.enter("a", "down")
    world.updates()
    world.daemon.enter("b", "down")
    world.lose()  # not for this client
    world.daemon.enter("a", "up")
    (event,) = world.updates()
    assert isinstance(event, Event)
    world.daemon.enter("a", "down")
    world.lose()
    world.daemon.enter("a", "up")
    gap, event = world.updates()
    assert isinstance(gap, Gap)
    assert gap.shard == "a"


# --- batches


def test_the_deltas_of_a_batch_are_updates_in_their_order(offered: None) -> None:
    world = SubscriberWorld("delta", "event")
    world.daemon.holding = True
    for role in ("master", "slave"):
        world.daemon.poll("a", {"role": role})
        world.daemon.poll("b", {"role": role})
    world.daemon.enter("a", "down", "timeout")
    *deltas, event = world.updates()
    assert isinstance(event, Event)
    found = [(one.shard, one.set["role"]) for one in deltas if isinstance(one, Delta)]
    assert found == [("a", "master"), ("b", "master"), ("a", "slave"), ("b", "slave")]


def test_malformed_deltas_of_a_batch_are_gaps_and_lose_no_other(offered: None) -> None:
    world = SubscriberWorld("delta")
    if OFFERED.get() is None:
        pytest.skip("this daemon offers no batches; other tests have malformed single deltas")
    world.daemon.poll("a")
    world.daemon.poll("b")
    world.updates()
    world.daemon.holding = True
    for _ in range(2):
        world.daemon.poll("a")
        world.daemon.poll("b")
    world.daemon.flush()
    first, second, third, fourth = unpack_batch(world.bus[-1][2])
    bad = (first[0], first[1], b"\xc1")
    text = b"\x83\xa3set\x81\xa1x\xa1\xff\xa5unset\x90\xa4base\x01"
    world.bus[-1][2] = pack_batch(
        [bad, (second[0], second[1], text), third, fourth, (b"", b"", b"")]
    )
    gaps = [update.shard for update in world.updates() if isinstance(update, Gap)]
    assert gaps == ["a", "b"]
    assert world.subscriber.malformed == 3


def test_a_lost_batch_is_a_gap_of_each_shard_and_of_the_totals(offered: None) -> None:
    world = SubscriberWorld("delta")
    for _ in range(2):
        world.updates()
        world.daemon.holding = True
        world.daemon.poll("a")
        world.daemon.poll("b")
        world.daemon.flush()
    world.bus.clear()
    world.daemon.poll("a")
    gap, delta = world.updates_of_batch()
    assert isinstance(gap, Gap)
    assert (gap.shard, gap.kind) == ("a", "delta")
    assert isinstance(delta, Delta)
    world.daemon.beat()
    (missing,) = [update for update in world.updates() if isinstance(update, Gap)]
    assert missing.shard is None


def test_a_subscriber_to_some_shards_and_one_whose_batches_are_refused_take_deltas(
    offered: None,
) -> None:
    assert topic("delta", "a") in SubscriberWorld("delta", shards=["a"]).subscribed
    world = SubscriberWorld("delta")
    assert (BATCH_TOPIC in world.subscribed) == (OFFERED.get() is not None)
    world.daemon.refused_topics = [BATCH_TOPIC.decode()] if OFFERED.get() else []
    world.cut_bus()
    world.run(3, polls=False, until=lambda: BATCH_TOPIC not in world.subscribed)
    world.daemon.refused_topics = []
    world.run(3, polls=False)
    world.updates()
    world.daemon.poll("a")
    (delta,) = world.updates()
    assert isinstance(delta, Delta)
    assert topic("delta") in world.subscribed
    assert world.subscriber.refusal is None
