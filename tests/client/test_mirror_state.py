"""How a Mirror detects and repairs each kind of loss, in a world without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client.world import World
from zinfo.client.bus_session import OpenBus, Phase, Timing
from zinfo.client.updates import Delta
from zinfo.errors import BusyError, NotAllowedError
from zinfo.wire.bus_messages import topic
from zinfo.wire.codec import pack
from zinfo.wire.lifecycle import Event


def joined(*shards: str, scope: tuple[str, ...] | None = None, **options: Any) -> World:
    """A world whose Mirror holds these shards, each polled once."""
    world = World(scope, **options)
    for shard in shards:
        world.daemon.add(shard)
        world.daemon.poll(shard)
    world.recover()
    world.check_equal()
    world.mirror.resync.on_clean_heartbeat()
    world.reported.clear()
    return world


def fresh(world: World, shard: str) -> bool:
    return world.mirror.fresh(shard, world.now)


def stale(world: World) -> bool:
    return world.mirror.stale(world.now)


def lose(world: World) -> None:
    """Drop the newest bus message."""
    world.bus.pop()


def deliver(world: World) -> None:
    while world.bus:
        world.deliver()


def beat(world: World) -> None:
    world.daemon.beat()
    deliver(world)


def ask(world: World) -> None:
    """Let time pass until the Mirror has sent a request."""
    for _ in range(200):
        if world.requests:
            return
        world.tick(0.02)
    raise AssertionError("the Mirror sends no request")


def send_page(world: World) -> None:
    """Let the Mirror request a snapshot after a heartbeat; the first page is in transit then."""
    beat(world)
    ask(world)
    world.serve()


# --- joining


def test_a_joined_mirror_equals_the_daemon_and_is_fresh() -> None:
    world = joined("a", "b", "c")
    assert not stale(world)
    assert world.mirror.stale_shards(world.now) == set()
    assert world.mirror.view("a", world.now).info == {"uptime_in_seconds": 1}
    assert world.mirror.epoch == world.daemon.epoch


def test_no_snapshot_is_requested_before_the_totals_are_known() -> None:
    world = World()
    world.daemon.add("a")
    world.daemon.poll("a")
    world.tick()
    world.settle()
    assert world.mirror.session.phase is Phase.JOINED
    world.tick(0.9)
    assert not world.requests
    beat(world)
    world.tick()
    assert world.requests


def test_with_totals_in_the_fence_the_snapshot_is_requested_at_once() -> None:
    world = World(fence_totals=True)
    world.daemon.add("a")
    world.tick()
    world.settle()
    world.tick()
    assert world.requests


def test_messages_received_during_the_snapshot_are_applied_to_it() -> None:
    world = World()
    world.daemon.add("a")
    world.daemon.poll("a")
    world.tick()
    world.settle()
    send_page(world)
    world.daemon.poll("a", {"role": "master"})
    world.daemon.enter("a", "down", "refused")
    deliver(world)
    assert "a" not in world.mirror.store.records
    world.deliver_reply()
    world.check_equal()
    assert not stale(world)
    assert world.mirror.gaps == 0  # nothing was lost


def test_a_delta_of_an_unknown_shard_is_a_sign_of_loss() -> None:
    world = joined("a")
    world.daemon.add("b")
    lose(world)
    world.daemon.poll("b")
    world.deliver()  # the delta; the event of the poll would be a second sign
    assert world.mirror.gaps == 1


def test_a_shard_added_before_the_cursor_during_a_snapshot_is_not_lost() -> None:
    world = joined("c", "d", "e")
    world.cut_bus()
    world.settle()
    send_page(world)
    world.deliver_reply()
    world.daemon.add("a")
    deliver(world)
    world.settle()
    assert "a" in world.mirror.store.records
    world.recover(polls=True)
    world.check_equal()


def test_a_shard_removed_while_its_page_is_in_transit_stays_removed() -> None:
    world = joined("a", "b")
    world.cut_bus()
    world.settle()
    send_page(world)
    world.daemon.remove("a")
    deliver(world)
    world.settle()
    world.check_equal()
    assert not stale(world)


# --- deltas


def test_a_delta_with_another_base_makes_its_shard_stale_until_a_snapshot() -> None:
    world = joined("a", "b")
    world.daemon.poll("a")
    lose(world)
    world.daemon.poll("a", {"role": "master"})
    world.daemon.poll("b")
    deliver(world)
    assert not fresh(world, "a")
    assert fresh(world, "b")
    assert world.mirror.stale_shards(world.now) == {"a"}
    assert world.mirror.view("a", world.now).revision == 1
    ask(world)
    world.settle()
    world.check_equal()
    assert not stale(world)


def test_a_delta_with_the_whole_info_needs_no_base() -> None:
    world = joined("a")
    world.daemon.poll("a")
    lose(world)
    world.daemon.poll("a", whole=True)
    deliver(world)
    assert fresh(world, "a")
    world.check_equal()


def test_the_loss_of_a_shards_last_delta_is_detected_by_the_next_heartbeat() -> None:
    world = joined("a", "b")
    world.daemon.poll("a")
    lose(world)
    assert fresh(world, "a")  # not detectable yet
    beat(world)
    assert stale(world)
    assert not fresh(world, "a")
    assert not fresh(world, "b")


def test_a_resolved_loss_does_not_hide_a_later_one() -> None:
    world = joined("a", "b")
    world.daemon.poll("a")
    deliver(world)
    world.daemon.poll("a")
    lose(world)
    beat(world)
    world.recover()
    world.daemon.poll("b")
    lose(world)
    world.daemon.poll("a")
    deliver(world)
    beat(world)
    assert not fresh(world, "b")
    world.recover()
    world.check_equal()


def test_a_delta_with_the_held_base_clears_its_shard() -> None:
    world = joined("a", "b")
    world.daemon.poll("a")
    lose(world)
    beat(world)
    world.daemon.poll("b")
    deliver(world)
    assert fresh(world, "b")
    assert not fresh(world, "a")
    ask(world)
    assert b"a" in world.requests[0][1]
    assert b"\xa1b" not in world.requests[0][1]


def test_a_page_requested_before_the_loss_was_noticed_clears_nothing() -> None:
    world = joined("a", "b", "c")
    world.daemon.poll("a")
    lose(world)
    send_page(world)
    world.daemon.poll("a")
    lose(world)
    beat(world)
    world.deliver_reply()
    assert world.mirror.view("a", world.now).revision == 2
    assert not fresh(world, "a")
    world.recover()
    world.check_equal()


def test_a_reordered_delta_does_not_clear_a_shard_with_a_newer_revision_seen() -> None:
    world = joined("a")
    world.daemon.poll("a")
    world.daemon.poll("a")
    world.bus.reverse()
    world.deliver()
    world.daemon.poll("a")
    lose(world)
    late = world.bus.pop()
    beat(world)
    world.bus.append(late)
    deliver(world)
    assert world.mirror.view("a", world.now).revision == 3
    assert not fresh(world, "a")


def test_pending_deltas_behind_a_second_gap_wait_for_the_next_snapshot() -> None:
    world = joined("a")
    world.daemon.poll("a")
    lose(world)
    world.daemon.poll("a")
    deliver(world)
    ask(world)
    world.serve()
    world.daemon.poll("a")
    lose(world)
    world.daemon.poll("a")
    deliver(world)
    world.deliver_reply()
    assert world.mirror.view("a", world.now).revision == 3
    assert not fresh(world, "a")
    ask(world)
    world.settle()
    world.check_equal()
    assert fresh(world, "a")


def test_messages_before_the_fence_are_ignored() -> None:
    world = World()
    world.daemon.add("a")
    world.tick()
    world.serve()
    world.deliver_reply()
    world.topics = world.subscribed[:-1]
    world.daemon.poll("a")
    deliver(world)
    assert not world.mirror.store.all_suspect()
    world.topics = ()
    world.recover()
    world.check_equal()


def test_an_old_page_does_not_overwrite_newer_bus_messages() -> None:
    world = joined("a", "b")
    world.daemon.poll("b")
    lose(world)
    world.daemon.poll("b")
    deliver(world)
    world.mirror.resync.checks.add("a")
    ask(world)
    world.serve()
    world.daemon.poll("a")
    world.daemon.enter("a", "down", "timeout")
    deliver(world)
    world.deliver_reply()
    world.check_equal()


def test_dropped_pending_deltas_are_requested_again() -> None:
    world = joined("a", max_pending_bytes=60)
    world.daemon.poll("a")
    lose(world)
    world.daemon.poll("a")
    deliver(world)
    ask(world)
    world.serve()
    for _ in range(3):
        world.daemon.poll("a")
        lose(world)
        world.daemon.poll("a")
    deliver(world)
    assert world.mirror.store.pending.overflows
    world.deliver_reply()
    assert not fresh(world, "a")
    world.recover()
    world.check_equal()


def test_a_dropped_pending_event_leaves_its_shard_suspect() -> None:
    world = World(max_pending_bytes=60)
    world.daemon.add("a")
    world.daemon.poll("a")
    world.tick()
    world.settle()
    send_page(world)
    world.daemon.enter("a", "down", "timeout")
    deliver(world)
    world.deliver_reply()
    assert world.mirror.view("a", world.now).state == "up"
    assert not fresh(world, "a")
    world.recover()
    world.check_equal()


def test_a_malformed_delta_counts_as_lost() -> None:
    world = joined("a", "b")
    world.daemon.poll("a")
    world.bus[-1][2] = pack({"set": {}, "unset": "x", "base": 1})
    deliver(world)
    assert world.mirror.malformed == 1
    assert not fresh(world, "a")
    assert fresh(world, "b")
    world.recover()
    world.check_equal()


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"z1/delta/a/"],
        [b"z1/delta/a/", b"\xc1", b""],
        [b"nonsense", b"", b""],
        [b"z1/hb/model/", pack([1, "model", 1, 1, float("nan")]), b""],
        [b"z1/hb/model/", pack([1, "model", 1, 1, 1.0]), pack({"interval": 0})],
        [b"z1/event/a/", pack([1, "model", 1, 1, 1.0]), pack([])],
    ],
)
def test_a_malformed_bus_message_is_counted_and_changes_nothing(frames: list[bytes]) -> None:
    world = joined("a")
    world.bus.append(frames)
    deliver(world)
    assert world.mirror.malformed == 1
    assert not stale(world)
    world.check_equal()


# --- events


def test_a_lost_event_is_detected_by_the_next_one() -> None:
    world = joined("a", "b")
    world.daemon.enter("a", "down", "timeout")
    lose(world)
    world.daemon.happen("b", "restarted")
    deliver(world)
    assert world.mirror.view("a", world.now).state == "up"
    assert not fresh(world, "a")
    assert not world.mirror.resync.complete
    world.recover()
    world.check_equal()


def test_the_loss_of_the_last_event_is_detected_by_the_next_heartbeat() -> None:
    world = joined("a")
    world.daemon.remove("a")
    lose(world)
    beat(world)
    assert stale(world)
    world.recover()
    assert not world.mirror.store.records
    assert [change.type for change in world.reported if isinstance(change, Event)] == ["removed"]


def test_a_different_total_of_shards_is_a_sign_of_loss() -> None:
    world = joined("a")
    world.daemon.beat(shards=2)
    deliver(world)
    assert stale(world)


def test_an_added_shard_is_stale_until_its_snapshot() -> None:
    world = joined("a")
    world.daemon.add("b", role="cache")
    world.daemon.poll("b")
    deliver(world)
    assert world.mirror.view("b", world.now).revision == 1
    assert not fresh(world, "b")
    world.recover()
    assert world.mirror.store.records["b"].labels == {"role": "cache"}


def test_a_shard_added_again_with_both_events_lost_has_no_info_until_polled() -> None:
    world = joined("a")
    world.daemon.remove("a")
    lose(world)
    world.daemon.add("a", role="other")
    lose(world)
    beat(world)
    world.recover()
    world.check_equal()
    assert world.mirror.view("a", world.now).info is None


def test_a_shard_added_again_starts_empty_though_its_removal_was_lost() -> None:
    world = joined("a")
    world.daemon.remove("a")
    lose(world)
    world.daemon.add("a", role="other")
    deliver(world)
    assert world.mirror.view("a", world.now).info is None
    assert not fresh(world, "a")
    world.recover()
    world.check_equal()


def test_a_gap_in_the_pending_events_leaves_the_state_suspect() -> None:
    world = World()
    world.daemon.add("a")
    world.tick()
    world.settle()
    send_page(world)
    world.daemon.enter("a", "down", "timeout")
    lose(world)
    world.daemon.happen("a", "polling_error")
    deliver(world)
    fetch = world.mirror.resync.fetch
    assert fetch is not None
    fetch.invalidated = False  # so that only the gap is tested
    world.deliver_reply()
    assert world.mirror.view("a", world.now).state == "new"
    assert not fresh(world, "a")


def test_a_shard_added_again_at_a_restarted_daemon_during_a_snapshot_stays() -> None:
    world = joined("a", "c", "d", "e")
    world.restart_daemon(["c", "d", "e"])
    world.settle()
    for _ in range(100):
        world.tick(0.02)
        world.subscribe()
        deliver(world)
        if world.mirror.session.phase is Phase.JOINED and world.mirror.epoch == 2:
            break
        world.serve()
        world.deliver_reply()
    send_page(world)
    world.deliver_reply()
    world.daemon.add("a")
    deliver(world)
    world.settle()
    assert "a" in world.mirror.store.records
    world.recover()
    world.check_equal()


# --- connections


def test_a_reconnect_is_noticed_by_the_second_fence() -> None:
    world = joined("a")
    world.cut_bus()
    world.daemon.poll("a")
    world.subscribe()
    deliver(world)
    assert stale(world)
    world.recover()
    world.check_equal()
    assert world.mirror.session.joins == 2


def test_after_three_heartbeats_of_silence_everything_is_stale_even_without_a_tick() -> None:
    world = joined("a")
    world.now += 2.9
    assert not stale(world)
    world.now += 0.2
    assert stale(world)
    assert not fresh(world, "a")
    assert world.mirror.stale_shards(world.now) == {"a"}
    assert world.mirror.view("a", world.now).info == {"uptime_in_seconds": 1}


def test_messages_queued_while_the_process_was_stopped_do_not_make_it_fresh() -> None:
    world = joined("a")
    world.daemon.poll("a")
    world.daemon.beat()
    world.now += 10
    world.deliver()
    assert stale(world)
    assert world.mirror.session.phase is Phase.BACKOFF
    world.recover(polls=True)
    world.check_equal()


def test_a_mirror_that_falls_further_and_further_behind_becomes_stale() -> None:
    world = joined("a")
    for _ in range(3):
        world.now += 1
        world.daemon.beat()
        world.now += 1
        world.daemon.beat()
        world.deliver()
        assert not stale(world)
    world.now += 2
    world.deliver()
    assert stale(world)
    assert "late" in world.mirror.session.problem
    world.recover(polls=True)
    world.check_equal()


def test_a_restarted_daemon_is_noticed_by_its_epoch_and_old_copies_stay_readable() -> None:
    world = joined("a", "b")
    world.restart_daemon(["b"])
    world.daemon.poll("b")
    world.settle()
    assert stale(world)
    assert world.mirror.view("a", world.now).info == {"uptime_in_seconds": 1}
    world.reported.clear()
    world.recover()
    world.check_equal()
    assert world.mirror.epoch == 2
    deltas = [change for change in world.reported if isinstance(change, Delta)]
    assert [(delta.shard, delta.revision, delta.base) for delta in deltas] == [("b", 1, 0)]


def test_a_reply_of_another_epoch_resets_the_session() -> None:
    world = joined("a")
    world.mirror.resync.checks.add("a")
    ask(world)
    world.daemon.epoch = 77
    world.serve()
    world.deliver_reply()
    assert stale(world)
    assert world.mirror.session.phase is Phase.BACKOFF


def test_a_missing_page_is_requested_again_on_a_new_socket() -> None:
    world = joined("a")
    world.daemon.poll("a")
    lose(world)
    beat(world)
    ask(world)
    world.cut_query()
    world.recover()
    world.check_equal()
    assert world.mirror.session.joins == 1


def test_a_query_endpoint_that_stops_replying_resets_the_session() -> None:
    timing = Timing(page_timeout=0.5, page_tries=2)
    world = joined("a", timing=timing)
    world.mirror.resync.checks.add("a")
    for _ in range(40):
        world.tick(0.05)
        world.requests.clear()
        beat(world)
        if stale(world):
            break
    assert "snapshot" in world.mirror.session.problem


def test_a_refused_snapshot_is_the_problem_and_is_requested_again() -> None:
    world = joined("a")
    world.daemon.poll("a")
    lose(world)
    beat(world)
    ask(world)
    world.daemon.refusal = BusyError("too many requests")
    world.serve()
    world.deliver_reply()
    assert world.mirror.problem == "too many requests"
    assert world.mirror.session.phase is Phase.JOINED
    world.recover()
    world.check_equal()
    assert world.mirror.problem == ""


def test_a_refused_snapshot_of_everything_is_requested_for_everything_again() -> None:
    world = joined("a")
    world.daemon.add("b")
    lose(world)
    beat(world)
    ask(world)
    world.daemon.refusal = BusyError("too many requests")
    world.serve()
    world.deliver_reply()
    assert not world.mirror.resync.complete
    world.recover()
    world.check_equal()


def test_a_malformed_snapshot_resets_the_session() -> None:
    world = joined("a")
    world.mirror.resync.checks.add("a")
    ask(world)
    world.serve()
    world.replies[-1][2] = pack([{"shard": "a"}])
    world.deliver_reply()
    assert world.mirror.malformed == 1
    assert "could not be decoded" in world.mirror.session.problem


def test_a_refused_hello_is_the_problem() -> None:
    world = World()
    world.daemon.refusal = NotAllowedError("not you")
    world.tick()
    world.settle()
    assert world.mirror.session.problem == "not you"


def test_repeated_losses_lead_to_less_and_less_frequent_snapshots() -> None:
    world = joined("a", timing=Timing(jitter=0.5))
    before = world.mirror.resync.count
    for _ in range(30):
        world.daemon.beat(revisions=world.daemon.revisions + 1)
        world.daemon.revisions += 1
        world.run(1, polls=False)
    assert world.mirror.resync.count - before < 25
    assert stale(world) or world.mirror.gaps >= 30


# --- a mirror of some shards


@pytest.mark.parametrize("strict", [True, False])
def test_a_mirror_of_some_shards_holds_no_others(strict: bool) -> None:
    world = World(("a", "c", "later"))
    world.daemon.strict = strict
    for shard in ("a", "b", "c"):
        world.daemon.add(shard)
        world.daemon.poll(shard)
    world.recover()
    world.check_equal()
    assert set(world.mirror.store.records) == {"a", "c"}
    world.daemon.add("later")
    world.daemon.add("other")
    world.recover(polls=True)
    world.check_equal()
    assert set(world.mirror.store.records) == {"a", "c", "later"}


def test_a_mirror_of_some_shards_subscribes_to_their_deltas_and_all_events() -> None:
    world = joined("a", scope=("a", "b/c"))
    assert world.subscribed[:-1] == (
        b"z1/delta/a/",
        b"z1/delta/b%2Fc/",
        b"z1/event/",
        b"z1/hb/",
    )


def test_a_mirror_of_many_shards_subscribes_to_the_prefix_and_filters() -> None:
    scope = tuple(f"s{number}" for number in range(501))
    world = World(scope)
    world.daemon.add("s1")
    world.daemon.add("other")
    world.recover(polls=True)
    world.check_equal()
    assert topic("delta") in world.subscribed
    world.daemon.poll("other")
    lose(world)
    beat(world)
    assert not fresh(world, "s1")  # the lost delta may have been this shard's


def test_a_shard_that_went_down_is_requested_as_its_last_delta_may_be_lost() -> None:
    world = joined("a", scope=("a",))
    world.daemon.poll("a")
    lose(world)
    world.daemon.enter("a", "down", "refused")
    world.run(1, polls=False)
    world.check_equal()


def test_an_up_shard_without_deltas_is_requested() -> None:
    world = joined("a", scope=("a",))
    world.daemon.poll("a")
    lose(world)
    world.run(4, polls=False)
    assert world.mirror.view("a", world.now).revision == 1
    world.run(3, polls=False)
    world.check_equal()


def test_shards_in_scope_that_are_not_held_are_stale() -> None:
    world = World(("a", "b"))
    assert world.mirror.stale_shards(world.now) == {"a", "b"}


# --- changes


def test_changes_are_reported_in_order_also_those_found_by_a_snapshot() -> None:
    world = joined("a")
    world.daemon.poll("a", {"role": "master"})
    world.daemon.enter("a", "down", "timeout")
    deliver(world)
    first, second = world.reported
    assert isinstance(first, Delta)
    assert (first.revision, first.base) == (2, 1)
    assert first.set == {"role": "master", "uptime_in_seconds": 2}
    assert isinstance(second, Event)
    assert (second.type, second.old, second.new, second.reason) == (
        "down",
        "up",
        "down",
        "timeout",
    )
    world.reported.clear()
    world.cut_bus()
    world.daemon.poll("a", {"role": None, "used_memory": 5})
    world.recover()
    found_event, found_delta = world.reported
    assert isinstance(found_event, Event)
    assert (found_event.type, found_event.old, found_event.number) == ("up", "down", 0)
    assert isinstance(found_delta, Delta)
    assert (found_delta.base, found_delta.revision) == (2, 3)
    assert found_delta.set == {"used_memory": 5, "uptime_in_seconds": 3}
    assert found_delta.unset == ("role",)


def test_a_mirror_that_joins_reports_what_is_not_up_as_an_event_of_its_state() -> None:
    world = World()
    for shard in ("down", "loading", "new", "up"):
        world.daemon.add(shard)
        if shard != "new":
            world.daemon.poll(shard)
    world.daemon.enter("down", "down", "refused", "connection refused")
    went_down = world.wall()
    world.daemon.enter("loading", "loading")
    world.recover()
    events = [change for change in world.reported if isinstance(change, Event)]
    assert [(event.shard, event.type, event.new) for event in events] == [
        ("down", "added", "down"),
        ("down", "down", "down"),
        ("loading", "added", "loading"),
        ("loading", "loading", "loading"),
        ("new", "added", "new"),
        ("up", "added", "up"),
    ]
    assert {event.number for event in events} == {0}
    assert {event.old for event in events} == {None}
    down = events[1]
    assert (down.reason, down.message) == ("refused", "connection refused")
    assert down.time == pytest.approx(went_down, abs=1), "since when it is down"
    world.reported.clear()
    world.cut_bus()
    world.daemon.enter("up", "down", "timeout", "no reply")
    world.recover()
    (went_down_later,) = world.reported
    assert isinstance(went_down_later, Event)
    assert (went_down_later.type, went_down_later.old) == ("down", "up")
    assert went_down_later.message == "no reply"


def test_the_host_of_a_wildcard_bus_endpoint_is_that_of_the_query_endpoint() -> None:
    world = World()
    world.mirror.session._endpoint = "tcp://10.0.0.5:9736"
    world.daemon.bus = "tcp://0.0.0.0:9737"
    world.tick()
    world.serve()
    world.mirror.on_reply(world.replies.popleft(), world.now)
    (joining,) = world.mirror.session.actions
    assert isinstance(joining, OpenBus)
    assert joining.endpoint == "tcp://10.0.0.5:9737"
