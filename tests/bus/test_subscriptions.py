"""Sets of subscribed prefixes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zinfo.bus.subscriptions import ShardSubscriptions, SubscriptionSet

prefixes = st.sets(st.binary(max_size=4), max_size=6)


@given(prefixes, st.binary(max_size=6))
def test_a_topic_matches_if_it_starts_with_a_subscribed_prefix(
    held: set[bytes], full: bytes
) -> None:
    subscriptions = SubscriptionSet()
    for prefix in held:
        subscriptions.add(prefix)
    assert subscriptions.matches(full) == any(full.startswith(prefix) for prefix in held)


def test_the_subscriptions_of_a_shard_follow_changes() -> None:
    subscriptions = SubscriptionSet()
    shard = ShardSubscriptions(subscriptions, "a:1")
    shard.refresh()
    assert (shard.info_subscribed, shard.delta_subscribed) == (False, False)
    subscriptions.add(b"z1/delta/")
    shard.refresh()
    assert (shard.info_subscribed, shard.delta_subscribed) == (False, True)
    subscriptions.add(b"z1/info/a:1/")
    subscriptions.discard(b"z1/delta/")
    subscriptions.discard(b"never there")
    shard.refresh()
    assert (shard.info_subscribed, shard.delta_subscribed) == (True, False)
    subscriptions.discard(b"z1/info/a:1/")
    shard.refresh()
    assert (shard.info_subscribed, shard.delta_subscribed) == (False, False)


def test_a_full_set_refuses_new_prefixes_only() -> None:
    subscriptions = SubscriptionSet(max_prefixes=2)
    assert [subscriptions.add(b"a"), subscriptions.add(b"b"), subscriptions.add(b"c")] == [
        True,
        True,
        False,
    ]
    assert subscriptions.add(b"a")
    assert len(subscriptions) == 2
