"""FleetSubscriber, against several peers on real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.client.flavours import Flavour
from tests.client.fleet_consumer import Consumer
from tests.client.model import ModelDaemon
from tests.client.test_fleet import IDS, SPECS, owners, silence, slice_peer
from tests.client.wire_peer import INTERVAL, QUICK_INTERVAL, WirePeer
from tests.waiting import wait_until
from zinfo.client import Changeover, Delta, Event, FleetSubscriber, Gap, Snapshot, StaleShards
from zinfo.errors import ConfigError, NoAnswerError

QUICK = 0.5  # seconds to wait for an update, again and again


@pytest.fixture
def peers() -> Iterator[list[WirePeer]]:
    """Three peers with two copies, for tests without silence: they may be slow."""
    yield from running_peers(INTERVAL)


@pytest.fixture
def quick_peers() -> Iterator[list[WirePeer]]:
    """The same, for tests in which they are silent."""
    yield from running_peers(QUICK_INTERVAL)


def running_peers(interval: float) -> Iterator[list[WirePeer]]:
    """Three peers with two copies."""
    peers = [slice_peer(spec) for spec in SPECS]
    for number, peer in enumerate(peers):
        peer.daemon.node = f"peer-{number}"
        peer.interval = peer.daemon.interval = interval
    with peers[0], peers[1], peers[2]:
        yield peers


def endpoints(peers: list[WirePeer]) -> list[str]:
    """Their query endpoints."""
    return [peer.query for peer in peers]


def read(updates: FleetSubscriber, consumer: Consumer, until: Callable[[], bool]) -> None:
    """Let a consumer take updates until a condition is met."""

    def taken() -> bool:
        while not until():
            update = updates.recv(QUICK)
            if update is None:
                return False
            consumer.take(update)
        return True

    wait_until(taken, what="the updates")


def begin(updates: FleetSubscriber) -> Consumer:
    """Return a consumer that has the first copies of all shards."""
    consumer = Consumer()
    read(updates, consumer, lambda: consumer.infos.keys() == set(IDS))
    return consumer


def followed(consumer: Consumer, peers: list[WirePeer], shard: str) -> WirePeer:
    """The peer whose copy the consumer has."""
    node, _ = consumer.copies[shard]
    return next(peer for peer in peers if peer.daemon.node == node)


def test_it_gives_each_shard_once_and_then_what_changes(
    peers: list[WirePeer], flavour: Flavour
) -> None:
    with flavour.fleet_subscriber(endpoints(peers)) as updates:
        consumer = begin(updates)
        assert [type(update) for update in consumer.taken] == [Changeover, Snapshot] * len(IDS)
        shard = IDS[0]
        for number in range(5):
            for peer in owners(peers, shard):
                peer.do(partial(ModelDaemon.poll, shard=shard, changes={"used_memory": number}))
        read(updates, consumer, lambda: consumer.infos[shard][1].get("used_memory") == 4)
        assert [type(update) for update in consumer.taken[2 * len(IDS) :]] == [Delta] * 5
        followed(consumer, peers, shard).do(lambda daemon: daemon.happen(shard, "role_changed"))
        read(updates, consumer, lambda: isinstance(consumer.taken[-1], Event))
        assert [member.slice for member in updates.members] == SPECS
        assert updates.missing == ()
        assert peers[0].query in repr(updates)


def test_another_copy_takes_over_with_a_snapshot_and_missed_events(
    quick_peers: list[WirePeer], flavour: Flavour
) -> None:
    peers = quick_peers
    with flavour.fleet_subscriber(endpoints(peers)) as updates:
        consumer = begin(updates)
        shard = IDS[0]
        first = followed(consumer, peers, shard)
        second = next(peer for peer in owners(peers, shard) if peer is not first)
        silence(first)
        second.do(lambda daemon: daemon.happen(shard, "role_changed"))
        second.do(lambda daemon: daemon.poll(shard, {"used_memory": 7}))
        read(updates, consumer, lambda: consumer.copies[shard][0] == second.daemon.node)
        read(updates, consumer, lambda: shard in consumer.infos)
        assert consumer.infos[shard][1]["used_memory"] == 7
        mine = [one for one in consumer.taken if getattr(one, "shard", "") == shard][2:]
        reported = [one.type for one in mine if isinstance(one, Event)]
        # On a busy machine, the second peer may have been silent for a moment, too.
        assert "role_changed" in reported or Gap(shard, "event", None, None) in mine


def test_stale_shards_and_missing_slices_are_said(
    quick_peers: list[WirePeer], flavour: Flavour
) -> None:
    peers = quick_peers
    with flavour.fleet_subscriber(endpoints(peers)) as updates:
        consumer = begin(updates)
        silence(peers[0])
        silence(peers[1])
        lost = {shard for shard in IDS if owners(peers, shard) == peers[:2]}
        read(updates, consumer, lambda: consumer.uncertain == lost and consumer.missing)
        assert [missing.slice for missing in updates.missing] == SPECS[:2]
        for peer in peers[:2]:
            peer.mute = peer.deaf = False
        read(updates, consumer, lambda: not consumer.uncertain and not consumer.missing)


def test_a_daemon_that_starts_again_gives_other_revisions(flavour: Flavour) -> None:
    with WirePeer("a", "b") as peer, flavour.fleet_subscriber(peer.query) as updates:
        consumer = Consumer()
        read(updates, consumer, lambda: len(consumer.infos) == 2)
        peer.restart("a", "c")
        read(updates, consumer, lambda: consumer.copies == dict.fromkeys("ac", ("model", 2)))
        read(updates, consumer, lambda: set(consumer.infos) == {"a", "c"} and not consumer.missing)
        assert not consumer.uncertain
        added = [one for one in consumer.taken if isinstance(one, Event) and one.shard == "c"]
        assert [event.type for event in added] == ["added"]


def test_a_slow_consumer_gets_gaps_and_the_newest_info(
    peer: WirePeer, blocking: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with blocking.fleet_subscriber(peer.query) as updates:
        consumer = Consumer()
        read(updates, consumer, lambda: len(consumer.infos) == 3)
        queue = updates._state._queue
        monkeypatch.setattr(queue, "_max_updates", 10)

        def poll(daemon: ModelDaemon) -> None:
            for number in range(20):
                daemon.poll("a", {"used_memory": number})
            daemon.poll("b", {"used_memory": 1})

        peer.do(poll)
        wait_until(lambda: "b" in queue.owed, what="the queue to be full")
        read(updates, consumer, lambda: consumer.infos["b"][1].get("used_memory") == 1)
        assert consumer.infos["a"][1]["used_memory"] == 19
        gaps = [update for update in consumer.taken if isinstance(update, Gap)]
        assert [(gap.shard, gap.kind) for gap in gaps] == [("a", "delta"), ("b", "delta")]
        assert not consumer.uncertain


def test_events_only(peers: list[WirePeer], flavour: Flavour) -> None:
    with flavour.fleet_subscriber(endpoints(peers), kinds=["event"]) as updates:
        consumer = Consumer()
        read(updates, consumer, lambda: consumer.copies.keys() == set(IDS))
        peer = followed(consumer, peers, IDS[0])
        peer.do(lambda daemon: daemon.poll(IDS[0]))
        peer.do(lambda daemon: daemon.enter(IDS[0], "down", "timeout"))
        read(updates, consumer, lambda: consumer.states.get(IDS[0]) == ("down", "timeout"))
        assert [type(update) for update in consumer.taken] == [Changeover] * len(IDS) + [Event]


def test_whole_infos_of_some_shards_and_fields(peers: list[WirePeer], flavour: Flavour) -> None:
    with flavour.fleet_subscriber(
        endpoints(peers), kinds=["info"], shard_ids=IDS[:1], fields=["used_memory"]
    ) as updates:
        consumer = Consumer()
        for number in range(3):
            for peer in owners(peers, IDS[0]):
                peer.do(partial(ModelDaemon.poll, shard=IDS[0], changes={"used_memory": number}))
            read(updates, consumer, partial(has_only, consumer, number))
        assert {type(update) for update in consumer.taken} == {Changeover, Snapshot}


def has_only(consumer: Consumer, number: int) -> bool:
    """Whether the consumer has this field of this shard."""
    return {shard: info for shard, (_, info) in consumer.infos.items()} == {
        IDS[0]: {"used_memory": number}
    }


def test_deltas_of_some_fields_form_a_chain(flavour: Flavour) -> None:
    with (
        WirePeer("a") as peer,
        flavour.fleet_subscriber(peer.query, fields=["used_memory"]) as updates,
    ):
        consumer = Consumer()
        read(updates, consumer, lambda: "a" in consumer.infos)
        for number in (1, 1, 1, 2):
            peer.do(partial(ModelDaemon.poll, shard="a", changes={"used_memory": number}))
        read(updates, consumer, lambda: consumer.infos["a"][1] == {"used_memory": 2})
        assert sum(isinstance(update, Delta) for update in consumer.taken) == 2


def test_nothing_answers(flavour: Flavour) -> None:
    with pytest.raises(NoAnswerError, match=r"no answer within 0\.1 s"):
        flavour.fleet_subscriber("tcp://127.0.0.1:1", timeout=0.1)


def test_it_begins_without_a_daemon_that_is_silent(flavour: Flavour) -> None:
    with (
        WirePeer("a", interval=QUICK_INTERVAL) as peer,
        flavour.fleet_subscriber([peer.query, "tcp://127.0.0.1:1"], timeout=1) as updates,
    ):
        consumer = Consumer()
        read(updates, consumer, lambda: "a" in consumer.infos)
        assert consumer.missing
        silence(peer)
        read(updates, consumer, lambda: isinstance(consumer.taken[-1], StaleShards))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"kinds": "event"}, TypeError),
        ({"shard_ids": "a"}, TypeError),
        ({"kinds": ["hb"]}, ValueError),
        ({"kinds": []}, ValueError),
        ({"kinds": ["info", "delta"]}, ValueError),
        ({"endpoints": "nonsense"}, ConfigError),
    ],
)
def test_wrong_arguments(
    flavour: Flavour, options: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        flavour.fleet_subscriber(**{"endpoints": "tcp://127.0.0.1:1", **options})


def test_a_closed_one_gives_nothing(peers: list[WirePeer], flavour: Flavour) -> None:
    with flavour.fleet_subscriber(endpoints(peers)) as updates:
        assert updates.recv(60) is not None
    assert list(updates) == []
    with pytest.raises(ValueError, match="closed"):
        updates.recv(0)


def test_a_name_stands_for_all_of_its_addresses(flavour: Flavour) -> None:
    with WirePeer("a") as peer:
        port = peer.query.rpartition(":")[2]
        with flavour.fleet_subscriber(f"dns+tcp://localhost:{port}") as updates:
            consumer = Consumer()
            read(updates, consumer, lambda: "a" in consumer.infos)
            assert peer.query in {member.endpoint for member in updates.members}
