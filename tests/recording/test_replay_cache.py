"""The cache and the clock of a replay."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.recording.building import NODE, WALL, delta, entry, event
from zinfo.client.decoding import decode_delta, decode_event, entry_from_map, parse_message
from zinfo.client.updates import Delta
from zinfo.errors import BadRequestError, RecordingError
from zinfo.query.servicer import InfoQuery
from zinfo.recording import LabelUpdate, Segment
from zinfo.recording.clock import MAX_GAP_SECONDS, ReplayClock
from zinfo.recording.replay_cache import ReplayCache, ReplayedServicer
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.lifecycle import Event


def a_segment(*entries: dict[str, object], events: int = 4, complete: bool = True) -> Segment:
    read = tuple(entry_from_map(one) for one in entries)
    return Segment(NODE, 7, WALL, WALL, 1.0, complete, events, 20, read)


def a_delta(shard: str, revision: int, base: int | None = None, **fields: Any) -> Delta:
    return decode_delta(parse_message(delta(shard, revision, base, **fields)))


def an_event(shard: str, type_: str, number: int, seq: int, **more: Any) -> Event:
    return decode_event(parse_message(event(shard, type_, number, seq, **more)))


@pytest.fixture
def cache() -> ReplayCache:
    cache = ReplayCache()
    cache.apply(a_segment(entry("a:1"), entry("b:1", 0, 1, state="new")))
    return cache


def shard_of(cache: ReplayCache, shard: str) -> RedisShard:
    return cache.publisher.get_shard(shard)


def test_a_segment_sets_all_shards(cache: ReplayCache) -> None:
    a, b = shard_of(cache, "a:1"), shard_of(cache, "b:1")
    assert (a.state, a.revision, a.role, a.version) == (ShardState.UP, 10, "master", "7.2.4")
    assert (b.state, b.revision, b.snapshot) == (ShardState.NEW, 0, None)
    assert a.labels == {"site": "fra"}
    assert a.info_age is not None
    assert 0.25 <= a.info_age < 60
    assert (cache.revisions, cache.events.newest, cache.events.seq("a:1")) == (20, 4, 2)


def test_since_is_the_recorded_time(cache: ReplayCache) -> None:
    assert shard_of(cache, "a:1").since is None, "a recording of an earlier version has none"
    cache.apply(a_segment(entry("a:1", since=WALL - 7)))
    assert shard_of(cache, "a:1").since == WALL - 7
    down = an_event("a:1", "down", 5, 3, new="down", reason="timeout")
    cache.apply(down)
    assert shard_of(cache, "a:1").since == down.time
    later = replace(down, seq=4, number=6, reason="refused", time=down.time + 5)
    cache.apply(later)
    assert shard_of(cache, "a:1").since == down.time, "it has been down all the time"
    added = an_event("c:1", "added", 7, 1, new="new")
    cache.apply(added)
    assert shard_of(cache, "c:1").since == added.time


def test_a_delta_is_published_as_it_was_recorded(cache: ReplayCache) -> None:
    published: list[tuple[str, int, int, dict[str, object]]] = []

    def note(shard: RedisShard, previous: Snapshot | None, snapshot: Snapshot) -> None:
        changed, gone = snapshot.changes_from(previous)
        assert gone == []
        base = previous.revision if previous else 0
        published.append((shard.id, snapshot.revision, base, {"number": len(changed)}))

    cache.subscribe_snapshots(note)
    cache.apply(a_delta("a:1", 11, used_memory=5))
    cache.apply(a_delta("b:1", 1, 0, role="slave", used_memory=6))
    assert published == [("a:1", 11, 10, {"number": 1}), ("b:1", 1, 0, {"number": 2})]
    assert shard_of(cache, "a:1").info == {
        "role": "master",
        "run_id": "a" * 40,
        "redis_version": "7.2.4",
        "used_memory": 5,
    }
    assert shard_of(cache, "b:1").role == "slave"
    assert cache.revisions == 22


def test_a_delta_with_another_base_is_an_error(cache: ReplayCache) -> None:
    with pytest.raises(
        RecordingError, match="revision 13 is recorded against 12, but the shard has 10"
    ):
        cache.apply(a_delta("a:1", 13))


def test_events_change_states_and_are_published_with_their_numbers(cache: ReplayCache) -> None:
    published: list[Event] = []
    cache.events.subscribe(published.append)
    cache.apply(an_event("a:1", "down", 5, 3, new="down", reason="refused"))
    cache.apply(an_event("c:1", "added", 6, 1, new="new"))
    cache.apply(an_event("b:1", "removed", 7, 2))
    assert (shard_of(cache, "a:1").state, shard_of(cache, "a:1").reason) == (
        ShardState.DOWN,
        "refused",
    )
    assert cache.publisher.get_live_shard_ids() == {"a:1", "c:1"}
    assert [(one.number, one.seq, one.type) for one in published] == [
        (5, 3, "down"),
        (6, 1, "added"),
        (7, 2, "removed"),
    ]
    assert [one.number for one in cache.events.since(5)] == [6, 7]


def test_events_of_the_daemon_are_published_as_they_were_recorded(cache: ReplayCache) -> None:
    published: list[Event] = []
    cache.events.subscribe(published.append)
    held = an_event("", "source_held", 5, 1, reason="cmdb")
    cache.apply(held)
    assert published == [held]
    assert cache.publisher.get_live_shard_ids() == {"a:1", "b:1"}


def test_an_event_included_in_the_snapshot_is_published_but_changes_nothing(
    cache: ReplayCache,
) -> None:
    cache.apply(an_event("a:1", "down", 5, 2, new="down"))
    assert shard_of(cache, "a:1").state is ShardState.UP
    assert (cache.events.newest, cache.events.seq("a:1")) == (5, 2)


def test_a_label_update_changes_only_labels_and_interval(cache: ReplayCache) -> None:
    cache.apply(an_event("c:1", "added", 5, 1, new="new"))
    cache.apply(LabelUpdate((entry_from_map(entry("c:1", 3)),)))
    assert shard_of(cache, "c:1").labels == {"site": "fra"}
    assert shard_of(cache, "c:1").revision == 0


def test_after_a_break_the_totals_show_that_messages_are_missing(cache: ReplayCache) -> None:
    cache.apply(an_event("a:1", "down", 5, 3, new="down"))
    cache.apply(a_segment(entry("a:1", 15, 6), entry("d:1"), events=9))
    assert cache.publisher.get_live_shard_ids() == {"a:1", "d:1"}
    assert (shard_of(cache, "a:1").revision, shard_of(cache, "a:1").state) == (15, ShardState.UP)
    assert cache.events.newest == 9
    assert cache.events.since(0) == []  # those in the gap are unknown, so none is returned
    assert cache.events.oldest == 10


def test_a_break_in_an_incomplete_recording_shows_in_the_replays_own_totals() -> None:
    cache = ReplayCache()
    part = a_segment(entry("a:1"), complete=False)
    cache.apply(part)
    events, revisions = cache.events.newest, cache.revisions
    cache.apply(an_event("a:1", "down", 50, 3, new="down"))
    cache.apply(an_event("a:1", "up", 70, 4, new="up"))
    assert [one.number for one in cache.events.since(0)] == [events + 1, events + 2]
    cache.apply(replace(part, events=99))
    assert cache.events.newest == events + 3
    assert cache.revisions == revisions + 1


def test_queries_with_sections_are_refused(cache: ReplayCache) -> None:
    servicer = ReplayedServicer(cache.publisher)
    with pytest.raises(BadRequestError, match="has no sections"):
        list(servicer.find(InfoQuery(sections=["memory"])))
    assert servicer.GetInfos(keys=["role"])[0]["role"] == "master"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_clock_runs_at_its_speed_up_to_the_next_moment() -> None:
    clock = Clock()
    replay_clock = ReplayClock(10.0, clock)
    replay_clock.set(5.0)
    assert replay_clock.wait(25.0) == pytest.approx(2.0)
    clock.now += 1
    assert replay_clock.position() == pytest.approx(15.0)
    assert replay_clock.wait(25.0) == pytest.approx(1.0)
    clock.now += 3
    assert replay_clock.wait(25.0) == 0
    assert replay_clock.position() == pytest.approx(25.0)
    assert replay_clock.wait(55.0) == pytest.approx(1.0)  # a delay is made up for


def test_a_long_gap_is_shortened() -> None:
    clock = Clock()
    replay_clock = ReplayClock(1.0, clock)
    replay_clock.set(5.0)
    replay_clock.skip_gap(8.0)
    assert replay_clock.wait(8.0) == pytest.approx(3.0)
    replay_clock.skip_gap(3600.0)
    assert replay_clock.wait(3600.0) == pytest.approx(MAX_GAP_SECONDS)


def test_at_infinite_speed_there_is_no_wait() -> None:
    replay_clock = ReplayClock(math.inf, Clock())
    assert replay_clock.wait(3600.0) == 0
    assert replay_clock.position() == 3600.0


def test_after_the_end_the_clock_runs_at_normal_speed() -> None:
    clock = Clock()
    replay_clock = ReplayClock(10.0, clock)
    replay_clock.wait(20.0)
    clock.now += 2
    replay_clock.end()
    clock.now += 5
    assert replay_clock.position() == pytest.approx(25.0)


def test_labels_change_as_they_were_recorded(cache: ReplayCache) -> None:
    published: list[Event] = []
    cache.events.subscribe(published.append)
    cache.apply(an_event("a:1", "labels_changed", 5, 3, labels={"site": "ams"}))
    cache.apply(an_event("c:1", "added", 6, 1, new="new", labels={"site": "fra"}))
    assert shard_of(cache, "a:1").labels == {"site": "ams"}
    assert shard_of(cache, "c:1").labels == {"site": "fra"}
    assert [one.labels for one in published] == [{"site": "ams"}, {"site": "fra"}]
    cache.apply(an_event("a:1", "labels_changed", 7, 4))  # too large for an event
    assert shard_of(cache, "a:1").labels == {"site": "ams"}
