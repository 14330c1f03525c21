"""The model: what a view gets after given updates of the feed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.info_texts import SEQUENCES
from tests.top.building import SHARD, delta, event, status, whole
from zinfo.client.updates import Info
from zinfo.info.parser import parse
from zinfo.top.model import NO_REPORT, SILENT, TopModel
from zinfo.top.record import Reading
from zinfo.views.rows import FeedState, Row
from zinfo.views.totals import totals

INFO: Info = {
    "redis_version": "7.0.15",
    "run_id": "a" * 40,
    "role": "master",
    "instantaneous_ops_per_sec": 100,
    "used_memory": 2048,
    "maxmemory": 4096,
    "connected_clients": 3,
    "total_commands_processed": 1000,
    "keyspace_hits": 60,
    "keyspace_misses": 40,
    "db0": {"keys": 5, "expires": 0},
    "db7": {"keys": 2, "expires": 0},
}


@pytest.fixture
def model() -> TopModel:
    """One shard, polled once a second ago, and up."""
    model = TopModel()
    model.apply(whole(1, 500.0, INFO), 100.0)
    model.set_statuses({SHARD: status(labels={"site": "fra"}, age=1.0)}, 101.0, fresh=True)
    return model


def row(model: TopModel, now: float = 101.0) -> Row:
    found = model.row(SHARD, now)
    assert found is not None
    return found


def test_a_row_has_the_values_of_info_and_of_the_daemon(model: TopModel) -> None:
    assert row(model)._replace(rates={}) == Row(
        shard=SHARD,
        labels={"site": "fra"},
        state="up",
        reason="",
        fresh=True,
        role="master",
        version="7.0.15",
        interval=None,
        age=1.0,
        revision=1,
        info=INFO,
    )


def test_the_servers_own_version_goes_before_the_one_that_it_is_compatible_to(
    model: TopModel,
) -> None:
    model.apply(delta(2, 501.0, {"valkey_version": "8.1.8"}), 101.0)
    assert row(model).version == "8.1.8"


def test_interval_hit_ratio_and_age_are_of_the_newest_poll(model: TopModel) -> None:
    model.apply(delta(2, 500.5, {"keyspace_hits": 63, "keyspace_misses": 41}), 101.0)
    model.apply(delta(3, 501.0, {"keyspace_hits": 66, "keyspace_misses": 41}), 101.5)
    now = row(model, 101.75)
    assert now.interval == pytest.approx(0.5)
    assert now.hit_ratio == 1.0
    assert now.hit_ratio_overall == pytest.approx(66 / 107)
    assert now.age == pytest.approx(0.25)


def test_an_interval_without_reads_has_no_hit_ratio(model: TopModel) -> None:
    model.apply(delta(2, 500.5, {}), 101.0)
    assert row(model).hit_ratio is None


def test_after_a_restart_the_interval_has_no_rates(model: TopModel) -> None:
    changed: Info = {"run_id": "b" * 40, "keyspace_hits": 9000, "total_commands_processed": 90000}
    model.apply(delta(2, 500.5, changed), 101.0)
    assert row(model).hit_ratio is None
    (section,) = model.sections(SHARD, 101.0)
    assert {field.rate for field in section.fields} == {None}


def test_the_next_interval_after_a_reset_has_rates_again(model: TopModel) -> None:
    model.apply(delta(2, 500.5, {"keyspace_hits": 0, "keyspace_misses": 0}), 101.0)
    assert row(model).hit_ratio is None
    model.apply(delta(3, 501.0, {"keyspace_hits": 1, "keyspace_misses": 1}), 101.5)
    assert row(model).hit_ratio == 0.5


def test_fields_have_their_rate_and_the_time_of_their_change(model: TopModel) -> None:
    model.apply(delta(2, 500.5, {"keyspace_hits": 80, "used_memory": 4096}), 101.0)
    (section,) = model.sections(SHARD, 103.0)
    fields = {field.name: field for field in section.fields}
    assert list(fields) == list(INFO)
    assert fields["keyspace_hits"].rate == pytest.approx(40.0)
    assert fields["keyspace_hits"].changed == pytest.approx(2.0)
    assert fields["keyspace_misses"].rate == 0.0
    assert fields["keyspace_misses"].changed is None
    assert fields["used_memory"].value == 4096
    assert fields["used_memory"].rate is None


def test_a_whole_info_counts_as_the_changes_that_it_has(model: TopModel) -> None:
    again = {**INFO, "used_memory": 1, "keyspace_hits": 70}
    del again["db7"]
    model.apply(whole(9, 501.0, again), 101.0)
    (section,) = model.sections(SHARD, 101.0)
    assert {field.name for field in section.fields if field.changed is not None} == {
        "used_memory",
        "keyspace_hits",
    }
    assert row(model).keys == 5
    assert row(model).hit_ratio == 1.0


def test_fields_come_by_section_and_new_ones_where_their_like_are(model: TopModel) -> None:
    model.set_sections(
        SHARD,
        {
            "Server": ["redis_version", "run_id"],
            "Keyspace": ["db0", "db7"],
            "Stats": ["keyspace_hits", "keyspace_misses", "gone"],
        },
    )
    model.apply(delta(2, 500.5, {"db3": {"keys": 1}}), 101.0)
    sections = {
        section.name: [field.name for field in section.fields]
        for section in model.sections(SHARD, 101.0)
    }
    assert list(sections) == ["Server", "Keyspace", "Stats", "Other"]
    assert sections["Keyspace"] == ["db0", "db7", "db3"]
    assert sections["Stats"] == ["keyspace_hits", "keyspace_misses"]
    assert sum(map(len, sections.values())) == len(INFO) + 1
    assert model.lacks_sections(SHARD)


def test_a_shard_whose_fields_all_have_a_section_lacks_none(model: TopModel) -> None:
    model.set_sections(SHARD, {"All": list(INFO)})
    assert not model.lacks_sections(SHARD)


def test_a_repeated_field_is_no_number_and_its_first_text_is_shown() -> None:
    repeated: Info = {**INFO, "role": ["slave", "master"], "used_memory": [1, 2], "db0": [1, 2]}
    model = TopModel()
    model.apply(whole(1, 500.0, repeated), 100.0)
    model.apply(delta(2, 501.0, {"keyspace_hits": [60, 70], "run_id": ["a", "b"]}), 101.0)
    model.set_statuses({SHARD: status()}, 101.0, fresh=True)
    now = row(model)
    assert (now.role, now.memory, now.keys, now.hit_ratio) == ("slave", None, 2, None)


def test_the_stored_replies_of_servers_give_rows_and_rates() -> None:
    for texts in SEQUENCES:
        model = TopModel()
        for number, text in enumerate(texts, 1):
            model.apply(whole(number, 500.0 + number, parse(text).fields), 100.0 + number)
        model.set_statuses({SHARD: status()}, 105.0, fresh=True)
        now = row(model, 105.0)
        assert now.role == "master"
        assert now.version
        assert now.ops is not None
        assert now.memory
        assert now.clients
        assert now.interval == pytest.approx(1.0)
        assert len(model.sections(SHARD, 105.0)[0].fields) == len(parse(texts[-1]).fields)


def test_a_shard_that_is_down_has_a_reason_and_is_not_current(model: TopModel) -> None:
    model.set_statuses({SHARD: status("down", "refused", age=5.0)}, 102.0, fresh=True)
    now = row(model, 102.0)
    assert now.status == "down: refused"
    assert not now.current
    assert now.age == pytest.approx(5.0)


def test_a_shard_that_may_not_be_current_is_stale(model: TopModel) -> None:
    model.set_statuses({SHARD: status()}, 102.0, fresh=False, problem="no heartbeat")
    now = row(model, 102.0)
    assert now.status == "stale"
    assert not now.current


def test_a_shard_that_is_no_longer_watched_is_removed(model: TopModel) -> None:
    model.set_statuses({}, 102.0, fresh=True)
    assert model.rows(102.0) == []
    assert model.row(SHARD, 102.0) is None
    assert model.series(SHARD, 102.0) is None
    assert model.sections(SHARD, 102.0) == []


def test_a_shard_that_was_never_polled_is_new_and_knows_nothing() -> None:
    model = TopModel()
    model.set_statuses({SHARD: status("new", age=math.inf)}, 102.0, fresh=True)
    now = row(model, 102.0)
    assert now.status == "new"
    assert now.age == math.inf
    assert {now.ops, now.memory, now.keys, now.hit_ratio, now.role, now.version} == {None}


def test_rows_come_in_the_order_of_ids() -> None:
    model = TopModel()
    model.set_statuses({"c": status(), "a": status(), "b": status()}, 1.0, fresh=True)
    assert [one.shard for one in model.rows(1.0)] == ["a", "b", "c"]


def test_the_last_minutes_have_a_gap_where_the_shard_did_not_answer(model: TopModel) -> None:
    def poll(number: int, now: float, commands: int) -> None:
        model.set_statuses({SHARD: status()}, now, fresh=True)
        fields: Info = {"total_commands_processed": commands, "keyspace_hits": 60 + number}
        model.apply(delta(number, now + 400, fields), now)

    poll(2, 110.0, 1070)
    poll(3, 120.0, 1150)
    model.set_statuses({SHARD: status("down", "refused", age=5.0)}, 125.0, fresh=True)
    poll(4, 150.0, 1420)
    series = model.series(SHARD, 150.0)
    assert series is not None
    ops = list(series.ops)[-11:]
    assert ops[:5] == [100, 7, 7, 8, 8]  # one every 5 seconds
    assert all(math.isnan(value) for value in ops[5:10])
    assert ops[10] == 9
    assert list(series.hit_ratio)[-9:-6] == [1.0, 1.0, 1.0]
    assert list(series.memory)[-1] == 2048
    assert list(series.clients)[-1] == 3
    assert row(model, 150.0).interval == pytest.approx(10.0)


def test_a_short_outage_that_only_events_report_is_a_gap_too(model: TopModel) -> None:
    model.set_state(SHARD, "down", "refused")
    model.set_state(SHARD, "up", "")
    model.apply(delta(2, 510.0, {"instantaneous_ops_per_sec": 9}), 110.0)
    series = model.series(SHARD, 110.0)
    assert series is not None
    assert sum(not math.isnan(value) for value in series.ops) == 2


def test_totals_include_only_current_rows() -> None:
    model = TopModel()
    changed = {"keyspace_hits": 61, "keyspace_misses": 41, "total_commands_processed": 1100}
    for shard in "abc":
        model.apply(whole(1, 500.0, INFO, shard=shard), 100.0)
        model.apply(delta(2, 501.0, {**changed}, shard=shard), 101.0)
    model.set_statuses(
        {"a": status(), "b": status(), "c": status("down", "timeout"), "d": status("new")}, 101.0
    )
    found = totals(model.rows(101.0))
    assert found.shards == 4
    assert found.states == {"up": 2, "down": 1, "new": 1}
    assert (found.ops, found.memory, found.clients, found.keys) == (200, 4096, 6, 14)
    assert found.hits == 0.5
    series = model.totals_series(101.0)
    assert (series.ops[-1], series.memory[-1], series.hit_ratio[-1]) == (200, 4096, 0.5)


def test_before_the_first_report_nothing_is_fresh_and_there_is_no_problem() -> None:
    feed = TopModel().feed(5.0)
    assert (feed.fresh, feed.problem, feed.ever) == (False, "", False)


def test_a_stale_feed_has_a_reason_and_a_duration(model: TopModel) -> None:
    assert model.feed(101.5).fresh
    model.set_statuses({SHARD: status()}, 103.0, fresh=False, problem="no heartbeat")
    feed = model.feed(103.5)
    assert (feed.fresh, feed.problem, feed.ever) == (False, "no heartbeat", True)
    assert feed.seconds == pytest.approx(2.5)


def test_a_feed_that_stops_reporting_leaves_nothing_fresh(model: TopModel) -> None:
    later = 101.0 + SILENT + 0.1
    assert model.feed(later).problem == NO_REPORT
    assert row(model, later).status == "stale"
    assert totals(model.rows(later)).states == {"stale": 1}
    assert totals(model.rows(later)).ops is None


def test_events_come_once_in_order_and_can_be_selected_by_shard(model: TopModel) -> None:
    model.add_events([event(3), event(4, shard="x")])
    before = model.events_version
    model.add_events([event(1), event(2), event(3)])
    assert [one.number for one in model.events(10)] == [1, 2, 3, 4]
    assert [one.number for one in model.events(2)] == [3, 4]
    assert [one.number for one in model.events(10, SHARD)] == [1, 2, 3]
    assert model.events_version > before
    assert model.events_complete_to == 4


def reading(revision: int, at: float, **changed: Any) -> Reading:
    """The table's fields of an INFO; the daemon's clock is 400 s ahead."""
    return Reading(SHARD, revision, at + 400, at, {**INFO, **changed})


@pytest.fixture
def table() -> TopModel:
    """One shard of which only the fields of the table are read, twice so far."""
    model = TopModel()
    model.update(reading(1, 100.0))
    model.set_statuses({SHARD: status()._replace(role="slave", version="8.1.8")}, 100.0)
    model.update(reading(3, 102.0, keyspace_hits=64))
    model.set_statuses({SHARD: status()._replace(role="slave", version="8.1.8")}, 102.0)
    return model


def test_readings_of_the_tables_fields_give_rows_and_no_sections(table: TopModel) -> None:
    now = row(table, 102.0)
    assert (now.ops, now.memory, now.keys, now.hit_ratio) == (100, 2048, 7, 1.0)
    assert now.version == "8.1.8"
    assert now.interval == pytest.approx(1.0)  # two polls in two seconds
    assert now.revision == 3
    assert table.sections(SHARD, 102.0) == []
    assert not table.lacks_sections(SHARD)


def test_an_info_that_was_read_already_adds_no_point(table: TopModel) -> None:
    before = repr(table.series(SHARD, 102.0))
    table.update(reading(3, 102.4, keyspace_hits=64))  # the same, with another estimate of its age
    assert repr(table.series(SHARD, 102.0)) == before
    assert row(table, 102.0).hit_ratio == 1.0


def test_rates_are_by_the_time_between_the_infos(table: TopModel) -> None:
    fields = {**INFO, "keyspace_hits": 74}
    table.apply(whole(4, 504.0, fields), 105.0)  # read with a delay of a second
    table.apply(whole(8, 508.0, {**fields, "keyspace_hits": 82}), 108.0)
    assert row(table, 108.0).interval == pytest.approx(1.0)  # of four polls
    (section,) = table.sections(SHARD, 108.0)
    assert {field.name: field.rate for field in section.fields}["keyspace_hits"] == 2.0


def test_a_whole_info_after_the_tables_fields_marks_no_field_as_changed(table: TopModel) -> None:
    table.apply(whole(3, 502.0, {**INFO, "keyspace_hits": 64, "tcp_port": 6379}), 102.0)
    (section,) = table.sections(SHARD, 103.0)
    assert "tcp_port" in {field.name for field in section.fields}
    assert {field.changed for field in section.fields} == {None}
    assert row(table, 102.0).hit_ratio == 1.0
    table.apply(whole(4, 504.0, {**INFO, "keyspace_hits": 64, "tcp_port": 6380}), 104.0)
    (section,) = table.sections(SHARD, 104.0)
    changed = {field.name for field in section.fields if field.changed is not None}
    assert changed == {"tcp_port"}
    table.update(reading(5, 105.0))  # its page is closed
    assert table.sections(SHARD, 105.0) == []


def test_a_pause_is_a_gap_without_rates_and_nothing_is_fresh(table: TopModel) -> None:
    table.pause()
    assert row(table, 102.5).status == "stale"
    paused = table.feed(102.5)
    assert (paused.fresh, paused.problem, paused.ever) == (False, "", True)
    assert totals(table.rows(102.5)).ops is None
    table.resume(150.0)
    assert table.feed(150.0) == FeedState(False, "", 48.0, True)
    table.update(reading(50, 150.0, keyspace_hits=9000))
    table.set_statuses({SHARD: status()}, 150.0)
    now = row(table, 150.0)
    assert (now.status, now.hit_ratio) == ("up", None)
    series = table.series(SHARD, 150.0)
    assert series is not None
    assert list(series.ops)[-1] == 100
    assert all(math.isnan(value) for value in list(series.ops)[-10:-1])
    assert all(math.isnan(value) for value in list(table.totals_series(150.0).ops)[-10:-1])


def test_a_restarted_daemon_that_counts_from_1_again_is_followed(table: TopModel) -> None:
    table.daemon_restarted()
    table.update(reading(3, 109.0, used_memory=1))
    assert row(table, 109.0).memory == 1


def test_totals_are_unknown_where_no_shard_is_current(
    table: TopModel,
) -> None:
    assert totals(TopModel().rows(1.0)).ops is None
    table.set_statuses({SHARD: status("down", "refused")}, 103.0)
    assert totals(table.rows(103.0)).memory is None


def test_histories_are_filled_from_the_daemons_with_shown_shards_first() -> None:
    model = TopModel()
    ids = [f"s{number}" for number in range(9)]
    for shard in ids:
        fields: Info = {"used_memory": 7, "role": "slave" if shard == "s1" else "master"}
        model.update(Reading(shard, 1, 9500.0, 1000.0, fields))
    model.set_statuses(dict.fromkeys(ids, status()), 1000.0)
    assert model.unfilled(3) == ["s0", "s1", "s2"]
    model.series("s8", 1000.0)
    assert model.unfilled(3) == ["s8", "s0", "s1"]
    for shard in ids:
        model.fill_history(shard, {"memory": [1, 2, 3], "ops": [5, math.nan, 5]}, 9495.0, 5.0)
    assert model.unfilled(3) == []
    series = model.series("s8", 1000.0)
    assert series is not None
    assert list(series.memory[-4:]) == [1, 2, 3, 7]
    assert series.ops[-4] == 5
    assert math.isnan(series.ops[-3])
    list(model.fill_totals(1000.0))
    sums = model.totals_series(1000.0)
    assert list(sums.memory[-4:]) == [8, 16, 24, 56], "of primaries"
    assert sums.ops[-4] == 45
    assert math.isnan(sums.ops[-3])


def test_a_pause_leaves_histories_to_be_filled_again_and_others_are_given_up(
    table: TopModel,
) -> None:
    table.fill_history(SHARD, {}, 0.0, 1.0)
    assert table.unfilled(3) == []
    table.pause()
    assert table.unfilled(3) == [SHARD]
    table.fill_history("gone", {"ops": [1]}, 500.0, 5.0)
    table.set_statuses({}, 103.0)
    assert table.unfilled(3) == []


def test_a_history_with_other_steps_is_sampled(table: TopModel) -> None:
    table.fill_history(SHARD, {"clients": list(range(20))}, 494.0, 1.0)
    series = table.series(SHARD, 102.0)
    assert series is not None
    assert list(series.clients[-4:]) == [9, 14, 19, 3]
