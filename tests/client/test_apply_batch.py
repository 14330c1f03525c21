"""A batch is applied natively as it is in Python."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.world import World
from tests.examples import examples
from zinfo.client import shard_store
from zinfo.client.updates import Delta
from zinfo.native.loader import native
from zinfo.wire.bus_messages import pack_batch, unpack_batch
from zinfo.wire.codec import pack

SHARDS = ("a", "b", "c")
WANTED = ("x", "y", "missing")

FIELDS = st.dictionaries(
    st.sampled_from(["x", "y", "z", "é"]),
    st.one_of(st.integers(-1, 1 << 40), st.text(max_size=3), st.just(None), st.just({"k": [1.5]})),
    max_size=3,
)
POLLS = st.lists(st.tuples(st.sampled_from(SHARDS), FIELDS, st.booleans()), max_size=6)
FAULTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["drop", "repeat", "body", "text", "base", "topic", "header"]),
    ),
    max_size=1,
)
BATCHES = st.lists(st.tuples(POLLS, FAULTS), max_size=3)
LISTENERS = st.sampled_from([None, ("none",), WANTED, tuple(f"f{n}" for n in range(20))])

needs_native = pytest.mark.skipif(native is None, reason="there is no native part to be compared")


def joined(listener: tuple[str, ...] | None) -> World:
    """A world whose Mirror holds all shards, with a listener to these fields."""
    world = World(kinds=("batch",))
    for shard in SHARDS:
        world.daemon.add(shard)
        world.daemon.poll(shard, {"x": 0})
    world.recover()
    world.daemon.holding = True
    publish(world, [(shard, {}, False) for shard in SHARDS])
    while world.bus:
        world.deliver()
    world.reported.clear()
    if listener is None:
        world.mirror.store.reporter = None
    else:
        world.mirror.report(listener)
    return world


def publish(world: World, polls: list[tuple[str, dict[str, Any], bool]]) -> None:
    """Close a batch with the deltas of these polls."""
    for shard, changes, whole in polls:
        world.daemon.poll(shard, changes, whole=whole)
    world.daemon.flush()


def damage(world: World, place: int, fault: str) -> None:
    """Change one message of the newest batch."""
    messages = unpack_batch(world.bus[-1][2])
    at = place % len(messages)
    name, head, body = messages[at]
    extra = b"\x83\xa3set\x81\xa1x\xa1\xff\xa5unset\x90\xa4base" + body[-1:]
    messages[at : at + 1] = {
        "drop": [],
        "repeat": [messages[at], messages[at]],
        "body": [(name, head, body[:-1])],
        "text": [(name, head, extra)],
        "base": [(name, head, pack({"set": {}, "unset": [], "base": 0}))],
        "topic": [(b"z1/event/a/", head, body)],
        "header": [(name, b"\xc1", body)],
    }[fault]
    world.bus[-1][2] = pack_batch(messages)


def outcome(
    listener: tuple[str, ...] | None,
    batches: list[tuple[list[tuple[str, dict[str, Any], bool]], list[tuple[int, str]]]],
) -> object:
    """All that a Mirror has after some batches."""
    world = joined(listener)
    for polls, faults in batches:
        publish(world, polls)
        if not polls:
            continue
        for place, fault in faults:
            damage(world, place, fault)
        while world.bus:
            world.deliver()
    store = world.mirror.store
    records = {
        shard: (record.revision, record.time, record.polled_at, record.parts())
        for shard, record in store.records.items()
    }
    # Which of several malformed deltas a listener missed is not defined, but the order is.
    reported = [(c.shard, c.revision, c.base, c.set) for c in world.reported if type(c) is Delta]
    counts = (store.revisions.last, store.revisions.counted, store.malformed, world.mirror.gaps)
    return records, reported, counts, world.mirror.stale_shards(world.now)


@needs_native
@settings(max_examples=examples(100), deadline=None)
@given(LISTENERS, BATCHES)
def test_batches_are_applied_natively_as_in_python(
    listener: tuple[str, ...] | None,
    batches: list[tuple[list[tuple[str, dict[str, Any], bool]], list[tuple[int, str]]]],
) -> None:
    by_native = outcome(listener, batches)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_store, "native", None)
        by_python = outcome(listener, batches)
    assert by_native == by_python


@needs_native
def test_plain_batches_are_applied_natively(monkeypatch: pytest.MonkeyPatch) -> None:
    world = joined(("x",))
    publish(world, [("a", {"x": 1}, False), ("b", {"z": 2}, False), ("a", {"x": 3}, False)])
    monkeypatch.setattr(world.mirror, "_on_deltas", None)
    while world.bus:
        world.deliver()
    assert [(c.shard, c.revision, c.set) for c in world.reported if type(c) is Delta] == [
        ("a", 3, {"x": 1}),
        ("a", 4, {"x": 3}),
    ]
    world.check_equal()
    assert not world.mirror.stale(world.now)


def test_the_rest_of_a_batch_is_applied_after_a_delta_that_is_not_plain() -> None:
    world = joined(("x",))
    publish(
        world,
        [("a", {"x": 1}, False), ("b", {"x": None}, False), ("c", {"x": 3}, False)],
    )
    while world.bus:
        world.deliver()
    deltas = [(c.shard, c.set, c.unset) for c in world.reported if type(c) is Delta]
    assert deltas == [("a", {"x": 1}, ()), ("b", {}, ("x",)), ("c", {"x": 3}, ())]
    world.check_equal()
    assert not world.mirror.stale(world.now)


def test_a_delta_that_follows_clears_its_shard_after_a_loss() -> None:
    world = joined(None)
    publish(world, [("a", {"x": 1}, False)])
    damage(world, 0, "header")
    publish(world, [("b", {"x": 2}, False)])
    while world.bus:
        world.deliver()
    assert world.mirror.stale_shards(world.now) == {"a", "c"}
