"""Which shard is written next, and which ones have waited for long."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.sinks.nats.pending import PendingShards


def test_a_shard_that_changes_often_waits_once() -> None:
    pending = PendingShards(pause=1.0)
    for at in (1.0, 2.0, 3.0):
        pending.add("a", at)
    assert len(pending) == 1
    assert pending.waiting_since(1.5) == {"a"}, "it waits since its first change"
    assert pending.take(3.0) == "a"
    assert pending.take(3.0) is None


def test_a_change_while_a_shard_is_written_is_written_after_the_pause() -> None:
    pending = PendingShards(pause=1.0)
    pending.add("a", 1.0)
    pending.take(1.0)
    pending.add("a", 1.1)
    assert pending.take(1.2) is None, "one value of a shard at a time"
    pending.written("a", 1.5)
    assert pending.take(2.4) is None
    assert pending.next_at() == 2.5
    assert pending.take(2.5) == "a"


def test_what_was_not_acknowledged_waits_since_its_first_change() -> None:
    pending = PendingShards(pause=1.0)
    pending.add("a", 1.0)
    pending.take(1.0)
    pending.add("a", 4.0)
    pending.failed("a")
    assert pending.waiting_since(1.5) == {"a"}
    assert pending.take(4.0) == "a"
    assert pending.waiting_since(1.5) == {"a"}, "also while it is being written"
    pending.written("a", 5.0)
    assert not pending.waiting_since(9.0)


def test_the_shard_that_has_waited_longest_comes_first() -> None:
    pending = PendingShards(pause=0.0)
    for at, shard in enumerate("abc"):
        pending.add(shard, float(at))
    assert [pending.take(9.0) for _ in range(4)] == ["a", "b", "c", None]


@given(st.lists(st.tuples(st.sampled_from("adwf"), st.sampled_from("xyz")), max_size=60))
@settings(max_examples=examples(100))
def test_every_change_is_written_in_the_end(steps: list[tuple[str, str]]) -> None:
    pending, unwritten, flying, now = PendingShards(pause=2.0), set[str](), dict[str, bool](), 0.0
    for step, shard in steps:
        now += 1.0
        if step == "a":
            pending.add(shard, now)
            unwritten.add(shard)
        elif step == "d":
            taken = pending.take(now)
            if taken is not None:
                assert taken not in flying
                unwritten.discard(taken)
                flying[taken] = True
        elif shard in flying:
            del flying[shard]
            if step == "w":
                pending.written(shard, now)
            else:
                pending.failed(shard)
                unwritten.add(shard)
        assert {one for one in "xyz" if pending.has(one)} == unwritten | flying.keys()
        assert len(pending) == len(unwritten | flying.keys())
    for shard in flying:
        pending.written(shard, now)
    later = {pending.take(now + 9.0) for _ in range(4)} - {None}
    assert later == unwritten
