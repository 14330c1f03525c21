"""Limits on what one client of the bus may subscribe."""

from __future__ import annotations

from zinfo.bus.topic_limits import TopicUsage


def test_the_limit_counts_distinct_topics_over_all_connections_of_a_client() -> None:
    usage = TopicUsage(max_topics=3)
    one, two, other = (
        usage.connection(1, "key"),
        usage.connection(2, "key"),
        usage.connection(3, "other"),
    )
    assert all(usage.add(connection, topic) for connection in (one, two) for topic in (b"a", b"b"))
    assert usage.add(two, b"c")
    assert all(usage.add(other, topic) for topic in (b"a", b"b", b"d"))
    assert not usage.add(one, b"d")
    assert usage.largest_connection() in (1, 2, 3)
    usage.forget(2)
    assert usage.add(one, b"d"), "a, b and d remain"
    usage.discard(one, b"a")
    assert usage.add(one, b"e")
    assert not usage.add(one, b"f")


def test_the_bytes_of_a_clients_topics_are_limited_too() -> None:
    usage = TopicUsage(max_bytes=10)
    one = usage.connection(1, None)
    assert usage.add(one, b"12345")
    assert usage.add(one, b"12345")
    assert not usage.add(one, b"123456")
    usage.forget(1)
    assert usage.add(usage.connection(1, None), b"123456"), "a reused descriptor starts at zero"


def test_without_keys_each_connection_counts_as_a_client() -> None:
    usage = TopicUsage(max_topics=1)
    assert usage.add(usage.connection(1, None), b"a")
    assert usage.add(usage.connection(2, None), b"b")
    assert not usage.add(usage.connection(2, None), b"c")
