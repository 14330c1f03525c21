"""Who wants what on the bus."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zinfo.bus.subscriptions import Interest, ShardInterest

prefixes = st.sets(st.binary(max_size=4), max_size=6)


@given(prefixes, st.binary(max_size=6))
def test_a_topic_is_wanted_if_a_subscribed_prefix_begins_it(held: set[bytes], full: bytes) -> None:
    interest = Interest()
    for prefix in held:
        interest.add(prefix)
    assert interest.wants(full) == any(full.startswith(prefix) for prefix in held)


def test_a_shard_follows_the_subscriptions_as_they_come_and_go() -> None:
    interest = Interest()
    shard = ShardInterest(interest, "a:1")
    shard.refresh()
    assert (shard.wants_info, shard.wants_delta) == (False, False)
    interest.add(b"z1/delta/")
    shard.refresh()
    assert (shard.wants_info, shard.wants_delta) == (False, True)
    interest.add(b"z1/info/a:1/")
    interest.discard(b"z1/delta/")
    interest.discard(b"never there")
    shard.refresh()
    assert (shard.wants_info, shard.wants_delta) == (True, False)
    interest.discard(b"z1/info/a:1/")
    shard.refresh()
    assert (shard.wants_info, shard.wants_delta) == (False, False)


def test_one_topic_too_many_is_refused_and_one_held_twice_is_not() -> None:
    interest = Interest(most=2)
    assert [interest.add(b"a"), interest.add(b"b"), interest.add(b"c")] == [True, True, False]
    assert interest.add(b"a")
    assert len(interest) == 2
