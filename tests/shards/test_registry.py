"""The registry of live shards."""

from __future__ import annotations

import logging

import pytest

from zinfo import RedisShard, ShardEvent, ShardPublisher
from zinfo.errors import ShardExistsError, UnknownShardError
from zinfo.shards.connection_options import ConnectionOptions


def shard(ident: str) -> RedisShard:
    return RedisShard(ident, "redis://127.0.0.1:1")


def test_a_shard_is_live_from_its_addition_to_its_removal() -> None:
    publisher = ShardPublisher()
    one = shard("a")
    publisher.add_shard(one)
    assert publisher.get_shard("a") is one
    assert publisher.get_live_shards() == [one]
    assert publisher.get_live_shard_ids() == {"a"}
    assert "a" in publisher
    assert len(publisher) == 1
    publisher.del_shard("a")
    assert publisher.get_live_shards() == []


@pytest.mark.parametrize("method", ["get_shard", "del_shard"])
def test_an_unknown_shard_is_a_key_error_with_its_name(method: str) -> None:
    with pytest.raises(KeyError) as caught:
        getattr(ShardPublisher(), method)("missing")
    assert str(caught.value) == "shard missing not found"


def test_adding_a_live_id_is_refused() -> None:
    publisher = ShardPublisher()
    first = shard("a")
    publisher.add_shard(first)
    with pytest.raises(ShardExistsError):
        publisher.add_shard(shard("a"))
    assert publisher.get_shard("a") is first


def test_subscribers_are_called_for_their_event_until_they_unsubscribe() -> None:
    publisher = ShardPublisher()
    added: list[str] = []
    removed: list[str] = []

    def note(one: RedisShard) -> None:
        added.append(one.id)

    publisher.subscribe_shard_event(ShardEvent.ADDED, note)
    publisher.subscribe_shard_event(ShardEvent.REMOVED, lambda one: removed.append(one.id))
    publisher.add_shard(shard("a"))
    publisher.unsub_shard_event(ShardEvent.ADDED, note)
    publisher.unsub_shard_event(ShardEvent.ADDED, note)
    publisher.add_shard(shard("b"))
    publisher.clear_shards()
    assert (added, removed) == (["a"], ["a", "b"])


def test_clearing_survives_a_callback_that_removes_others() -> None:
    publisher = ShardPublisher()
    for ident in "abc":
        publisher.add_shard(shard(ident))
    notified: list[str] = []

    def remove_c(one: RedisShard) -> None:
        notified.append(one.id)
        if one.id == "a":
            publisher.del_shard("c")

    publisher.subscribe_shard_event(ShardEvent.REMOVED, remove_c)
    publisher.clear_shards()
    assert sorted(notified) == ["a", "b", "c"]


def test_a_callback_that_raises_is_counted_and_the_others_are_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher = ShardPublisher()
    notified: list[RedisShard] = []

    def fail(_one: RedisShard) -> None:
        raise RuntimeError("boom")

    publisher.subscribe_shard_event(ShardEvent.ADDED, fail)
    publisher.subscribe_shard_event(ShardEvent.ADDED, notified.append)
    with caplog.at_level(logging.ERROR):
        publisher.add_shard(shard("a"))
    assert len(notified) == 1
    assert publisher.callback_errors == 1
    assert "boom" in caplog.text


def test_returned_collections_are_copies() -> None:
    publisher = ShardPublisher()
    publisher.add_shard(shard("a"))
    publisher.get_live_shards().clear()
    publisher.get_live_shard_ids().clear()
    assert len(publisher) == 1


def test_sorted_ids_follow_additions_and_removals() -> None:
    publisher = ShardPublisher()
    for name in ("b", "c", "a"):
        publisher.add_shard(shard(name))
    assert publisher.sorted_shard_ids() == ("a", "b", "c")
    publisher.del_shard("b")
    assert publisher.sorted_shard_ids() == ("a", "c")
    publisher.add_shard(shard("aa"))
    assert publisher.sorted_shard_ids() == ("a", "aa", "c")


def test_a_shard_that_was_replaced_or_cleared_is_listed_once() -> None:
    publisher = ShardPublisher()
    publisher.add_shard(shard("a"))
    publisher.add_shard(shard("b"))
    publisher.replace_shard(shard("a"))
    assert publisher.sorted_shard_ids() == ("a", "b")
    publisher.clear_shards()
    assert publisher.sorted_shard_ids() == ()
    publisher.add_shard(shard("a"))
    assert publisher.sorted_shard_ids() == ("a",)


def test_a_change_of_connection_options_is_notified_once() -> None:
    publisher = ShardPublisher()
    one = shard("a")
    publisher.add_shard(one)
    notified: list[object] = []
    publisher.subscribe_shard_event(
        ShardEvent.CONNECTION_CHANGED, lambda one: notified.append(one.redis_conn)
    )
    options = ConnectionOptions(url="redis://127.0.0.1:1", username="x")
    publisher.set_connection("a", options)
    publisher.set_connection("a", ConnectionOptions(url="redis://127.0.0.1:1", username="x"))
    assert one.redis_conn is options
    assert notified == [options]
    with pytest.raises(UnknownShardError):
        publisher.set_connection("b", options)


@pytest.mark.parametrize("conn", ["redis://127.0.0.1:2", "rediss://127.0.0.1:1", object()])
def test_connection_options_with_another_address_are_refused(conn: object) -> None:
    publisher = ShardPublisher()
    publisher.add_shard(RedisShard("a", conn))
    options = ConnectionOptions(url="redis://127.0.0.1:1", username="x")
    with pytest.raises(ValueError, match="another address"):
        publisher.set_connection("a", options)
    assert publisher.get_shard("a").redis_conn is not options


def test_a_change_of_labels_is_notified_once() -> None:
    publisher = ShardPublisher()
    one = shard("a")
    publisher.add_shard(one)
    notified: list[dict[str, str]] = []
    publisher.subscribe_shard_event(
        ShardEvent.LABELS_CHANGED, lambda one: notified.append(dict(one.labels))
    )
    given = {"site": "fra"}
    publisher.set_labels("a", given)
    publisher.set_labels("a", given)
    given["site"] = "ams"
    assert one.labels == {"site": "fra"}
    publisher.set_labels("a", {})
    assert notified == [{"site": "fra"}, {}]
    with pytest.raises(UnknownShardError):
        publisher.set_labels("b", {})
