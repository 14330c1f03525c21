"""A Mirror that takes batches, or some fields only, in a world without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client.world import World
from zinfo.client.bus_session import Phase
from zinfo.client.mirror_base import GATHER_SECONDS, MirrorBase
from zinfo.client.session_driver import BATCH
from zinfo.client.updates import Delta
from zinfo.wire.bus_messages import BATCH_TOPIC, fields_topic, pack_batch, topic, unpack_batch
from zinfo.wire.codec import pack, unpack

BATCHES = ("batch",)
FIELDS = ("batch", "fields")
NAMES = ("role", "used_memory")


def joined(*shards: str, kinds: tuple[str, ...] | None = BATCHES, **options: Any) -> World:
    """A world whose Mirror holds these shards, each polled once; deltas stay in a batch."""
    world = World(kinds=kinds, **options)
    for shard in shards:
        world.daemon.add(shard)
        world.daemon.poll(shard, {"role": "master"})
    world.recover()
    world.check_equal()
    world.reported.clear()
    world.daemon.holding = True
    return world


def deliver(world: World) -> None:
    """Close the batch, and deliver all messages."""
    world.daemon.flush()
    while world.bus:
        world.deliver()


def stale(world: World) -> set[str]:
    return world.mirror.stale_shards(world.now)


def test_batches_are_taken_where_the_daemon_offers_them() -> None:
    assert BATCH_TOPIC in joined("a").subscribed
    assert topic("delta") in joined("a", kinds=None).subscribed
    assert topic("delta") in joined("a", kinds=()).subscribed
    assert topic("delta", "a") in joined("a", scope=("a",)).subscribed


def test_the_deltas_of_a_batch_are_applied_in_their_order() -> None:
    world = joined("a", "b")
    for role in ("replica", "master", "replica"):
        world.daemon.poll("a", {"role": role})
        world.daemon.poll("b", {"role": role})
    deliver(world)
    world.check_equal()
    assert not stale(world)
    deltas = [(change.shard, change.revision) for change in world.reported if type(change) is Delta]
    assert deltas == [(shard, revision) for revision in (2, 3, 4) for shard in "ab"]


def test_a_lost_batch_is_noticed_by_the_next_one_where_no_totals_apply() -> None:
    world = World(kinds=BATCHES)
    world.daemon.partial = True
    for shard in ("a", "b"):
        world.daemon.add(shard)
        world.daemon.poll(shard)
    world.recover()
    world.daemon.holding = True
    world.daemon.poll("b")
    deliver(world)
    world.daemon.poll("a")
    world.daemon.flush()
    world.bus.pop()
    assert not stale(world)
    world.daemon.poll("b")
    deliver(world)
    assert stale(world) == {"a"}, "b had a delta that follows"
    world.recover()
    world.check_equal()


@pytest.mark.parametrize("part", [0, 1])
def test_a_malformed_part_of_a_batch_makes_every_shard_stale_and_loses_no_other(part: int) -> None:
    world = joined("a", "b", "c")
    world.daemon.poll("a")
    world.daemon.poll("b")
    world.daemon.flush()
    first, second = unpack_batch(world.bus[-1][2])
    frames = list(first)
    frames[part] = b"\xc1"
    world.bus[-1][2] = pack_batch([(frames[0], frames[1], frames[2]), second])
    deliver(world)
    assert world.mirror.malformed == 1
    assert stale(world) == {"a", "c"}
    assert world.mirror.view("b", world.now).revision == 2


def test_a_malformed_delta_in_a_batch_makes_its_shard_stale() -> None:
    world = joined("a", "b")
    world.daemon.poll("a")
    world.daemon.poll("b")
    world.daemon.flush()
    (name, head, _), second = unpack_batch(world.bus[-1][2])
    world.bus[-1][2] = pack_batch([(name, head, pack({"set": {}, "base": 1})), second])
    deliver(world)
    assert stale(world) == {"a"}


@pytest.mark.parametrize("body", [b"", b"\xc1", pack([[b"a", b"b"]]), b"\xdd\xff\xff\xff\xff"])
def test_a_malformed_batch_makes_every_shard_stale(body: bytes) -> None:
    world = joined("a", "b")
    world.daemon.poll("a")
    world.daemon.flush()
    world.bus[-1][2] = body
    deliver(world)
    assert world.mirror.malformed == 1
    assert stale(world) == {"a", "b"}
    world.recover()
    world.check_equal()


def test_a_batch_has_only_deltas_of_its_epoch() -> None:
    world = joined("a")
    world.daemon.poll("a")
    world.daemon.flush()
    ((name, head, body),) = unpack_batch(world.bus[-1][2])
    header: Any = unpack(head)
    other_epoch = pack([*header[:2], 77, *header[3:]])
    event = (topic("event", "a"), head, body)
    world.bus[-1][2] = pack_batch([(name, other_epoch, body), event])
    deliver(world)
    assert world.mirror.malformed == 2
    assert stale(world) == {"a"}


def test_a_daemon_that_refuses_batches_is_followed_by_deltas() -> None:
    world = World(kinds=BATCHES)
    world.daemon.refused_topics = [BATCH_TOPIC.decode()]
    world.daemon.add("a")
    world.tick()
    world.settle()
    world.daemon.refused_topics = []
    world.recover(polls=True)
    assert topic("delta") in world.subscribed
    world.check_equal()
    world.restart_daemon(["a"])
    world.recover(polls=True)
    assert BATCH_TOPIC in world.subscribed, "another run of the daemon may not refuse them"


# --- some fields only


def test_the_topic_of_the_fields_is_taken_where_the_daemon_offers_it() -> None:
    assert fields_topic(NAMES) in joined("a", kinds=FIELDS, fields=NAMES).subscribed
    assert BATCH_TOPIC in joined("a", kinds=BATCHES, fields=NAMES).subscribed
    assert topic("delta") in joined("a", kinds=None, fields=NAMES).subscribed
    assert topic("delta", "a") in joined("a", scope=("a",), kinds=FIELDS, fields=NAMES).subscribed
    many = tuple(f"field{number}" for number in range(65))
    assert BATCH_TOPIC in joined("a", kinds=FIELDS, fields=many).subscribed


@pytest.mark.parametrize("kinds", [None, BATCHES, FIELDS])
@pytest.mark.parametrize("scope", [None, ("a", "b")])
def test_only_these_fields_are_held_and_reported(
    kinds: tuple[str, ...] | None, scope: tuple[str, ...] | None
) -> None:
    world = joined("a", "b", kinds=kinds, fields=NAMES, scope=scope)
    world.daemon.poll("a", {"used_memory": 5, "role": None, "other": 1})
    world.daemon.poll("b", {"other": 2})
    deliver(world)
    assert not stale(world)
    world.check_equal()
    assert world.mirror.view("a", world.now).info == {"used_memory": 5}
    assert world.mirror.view("b", world.now) == (2, "up", {"role": "master"}, True)
    (delta,) = world.reported
    assert isinstance(delta, Delta)
    assert (delta.set, delta.unset) == ({"used_memory": 5}, ("role",))


def test_a_name_that_msgspec_does_not_take_is_followed_too() -> None:
    odd = 'errorstat_a"b\\c'
    world = joined("a", fields=(odd,))
    world.daemon.poll("a", {odd: {"count": 1}})
    deliver(world)
    world.check_equal()
    assert world.mirror.view("a", world.now).info == {odd: {"count": 1}}


def test_a_daemon_that_refuses_the_topic_of_the_fields_is_followed_by_batches() -> None:
    world = World(kinds=FIELDS, fields=NAMES)
    world.daemon.refused_topics = [fields_topic(NAMES).decode()]
    world.daemon.add("a")
    world.recover(polls=True)
    world.recover(polls=True)
    assert BATCH_TOPIC in world.subscribed
    world.check_equal()


# --- malformed fields are noticed when they are read


@pytest.mark.parametrize(
    "changed",
    [b"\x81\xa1x\xa1\xff", b"\x81\xa1x\xd4\x01\x02"],
    ids=["text", "extension"],
)
def test_a_shard_whose_values_are_malformed_is_stale_once_it_is_read(changed: bytes) -> None:
    world = joined("a", "b")
    world.mirror.store.reporter = None  # a listener would read at once
    world.daemon.poll("a")
    world.daemon.flush()
    ((name, head, _),) = unpack_batch(world.bus[-1][2])
    body = b"\x83" + pack("set") + changed + pack("unset") + b"\x90" + pack("base") + b"\x01"
    world.bus[-1][2] = pack_batch([(name, head, body)])
    deliver(world)
    assert not stale(world)
    assert world.mirror.view("a", world.now) == (0, "up", None, False)
    assert stale(world) == {"a"}
    assert world.mirror.malformed == 1
    world.recover()
    world.check_equal(infos=True)


@pytest.mark.parametrize("changed", [b"\x81\xa1\xff\x01", b"\x81\x01\x02"])
def test_a_shard_whose_names_of_fields_are_malformed_is_stale_at_once(changed: bytes) -> None:
    world = joined("a", "b")
    world.daemon.poll("a")
    world.daemon.flush()
    ((name, head, _),) = unpack_batch(world.bus[-1][2])
    body = b"\x83" + pack("set") + changed + pack("unset") + b"\x90" + pack("base") + b"\x01"
    world.bus[-1][2] = pack_batch([(name, head, body)])
    deliver(world)
    assert stale(world) == {"a"}
    assert world.mirror.malformed == 1
    world.recover()
    world.check_equal()


def test_a_malformed_page_is_noticed_when_it_is_read() -> None:
    world = joined("a")
    world.mirror.store.reporter = None
    world.daemon.poll("a")
    world.daemon.flush()
    world.bus.clear()
    world.daemon.beat()
    deliver(world)
    while not world.requests:
        world.tick(0.05)
    world.serve()
    entries: Any = unpack(world.replies[-1][2])
    entries[0]["info"] = {1: 2}
    world.replies[-1][2] = pack(entries)
    world.deliver_reply()
    assert world.mirror.view("a", world.now).info is None
    assert stale(world) == {"a"}
    world.recover()
    world.check_equal()


def test_a_malformed_field_is_noticed_by_a_listener_of_it() -> None:
    world = joined("a")
    world.mirror.report(["x"])
    world.daemon.poll("a")
    world.daemon.flush()
    ((name, head, _),) = unpack_batch(world.bus[-1][2])
    changed = b"\x81\xa1x\xa1\xff"
    body = b"\x83" + pack("set") + changed + pack("unset") + b"\x90" + pack("base") + b"\x01"
    world.bus[-1][2] = pack_batch([(name, head, body)])
    deliver(world)
    assert world.reported == []
    assert stale(world) == {"a"}


def test_a_mirror_that_is_current_pauses_after_messages_so_that_more_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirror = MirrorBase(
        "inproc://query",
        shards=None,
        labels=None,
        fields=None,
        bus=None,
        context=None,
        on_change=None,
        keys=None,
    )
    state, received = mirror._state, iter((1, 1, 1, 0, BATCH))
    monkeypatch.setattr(mirror._driver, "receive", lambda: next(received))
    assert not mirror._end_iteration(), "not joined"
    state.session.phase = Phase.JOINED
    assert mirror._end_iteration() == GATHER_SECONDS
    state.store.snapshot_in_progress = True
    assert not mirror._end_iteration(), "a page would wait"
    state.store.snapshot_in_progress = False
    assert not mirror._end_iteration(), "nothing came"
    assert not mirror._end_iteration(), "more is waiting"
