"""The INFO of one shard and of many as Prometheus text: names, labels, limits."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.examples import examples
from tests.metrics.texts import families, samples
from zinfo.info import parser
from zinfo.info.values import Value
from zinfo.metrics.samples import UP, Sample
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection

PRIMARY: dict[str, Value] = {
    "role": "master",
    "redis_version": "7.0.1",
    "redis_mode": "standalone",
    "tcp_port": 6379,
}

REPLICA: Value = {"ip": "10.0.0.2", "port": 6380, "state": "online", "offset": 77, "lag": 1}
FULL: dict[str, Value] = {
    **PRIMARY,
    "role": "slave",
    "valkey_version": "8.1.0",
    "valkey_release_stage": "ga",
    "availability_zone": "b",
    "master_host": "db-1",
    "master_port": 6379,
    "master_link_status": "up",
    "slave0": REPLICA,
    "cmdstat_get": {"calls": 1},
    "errorstat_ERR": {"count": 1},
    "latency_percentiles_usec_get": {"p50": 1.0},
    "used_active_time_io_thread_0": 1,
    "db0": {"keys": 1},
}
"""INFO of a server that has every label that a metric can have."""


def text_of(
    fields: dict[str, Value] | None,
    labels: dict[str, str] | None = None,
    selection: Selection | None = None,
    time: float = 1000.0,
) -> str:
    selection = selection or Selection()
    scrape = Scrape(selection)
    up = [Sample(UP, (), int(fields is not None))]
    scrape.add(selection.labels_of(labels or {}), up, fields, time)
    return b"".join(scrape.pieces()).decode()


def value(text: str, name: str, **labels: str) -> float:
    found = samples(text)
    return found[name, frozenset(labels.items())]


def test_a_field_has_the_name_of_redis_exporter() -> None:
    text = text_of({"used_memory": 5, "keyspace_hits": 7, "connected_clients": 3})
    assert value(text, "redis_memory_used_bytes") == 5
    assert value(text, "redis_keyspace_hits_total") == 7
    assert value(text, "redis_connected_clients") == 3
    assert families(text)["redis_keyspace_hits_total"].type == "counter"
    assert families(text)["redis_memory_used_bytes"].type == "gauge"


def test_a_field_unknown_to_redis_exporter_has_its_own_name() -> None:
    assert value(text_of({"brand_new-thing": 2.5}), "redis_brand_new_thing") == 2.5


def test_of_text_fields_only_statuses_are_metrics() -> None:
    text = text_of({"os": "Linux", "aof_last_write_status": "ok", "rdb_last_bgsave_status": "err"})
    assert value(text, "redis_aof_last_write_status") == 1
    assert value(text, "redis_rdb_last_bgsave_status") == 0
    assert "redis_os" not in families(text)


def test_statistics_of_commands_have_the_command_as_a_label() -> None:
    text = text_of(
        {
            "cmdstat_config|get": {
                "calls": 4,
                "usec": 2_000_000,
                "usec_per_call": 5.0,
                "rejected_calls": 1,
                "failed_calls": 2,
            },
            "latency_percentiles_usec_config|get": {"p50": 1.5, "p99": 2.0, "p99.9": 3.0},
        }
    )
    assert value(text, "redis_commands_total", cmd="config|get") == 4
    assert value(text, "redis_commands_duration_seconds_total", cmd="config|get") == 2
    assert value(text, "redis_commands_rejected_calls_total", cmd="config|get") == 1
    assert value(text, "redis_commands_failed_calls_total", cmd="config|get") == 2
    latency = "redis_latency_percentiles_usec"
    assert value(text, latency, cmd="config|get", quantile="99.9") == 3
    assert value(text, f"{latency}_sum", cmd="config|get") == 2_000_000
    assert value(text, f"{latency}_count", cmd="config|get") == 4
    assert families(text)[latency].type == "summary"


def test_each_database_has_metrics() -> None:
    text = text_of({"db3": {"keys": 10, "expires": 2, "avg_ttl": 1500}, **PRIMARY})
    assert value(text, "redis_db_keys", db="db3") == 10
    assert value(text, "redis_db_keys_expiring", db="db3") == 2
    assert value(text, "redis_db_avg_ttl_seconds", db="db3") == 1.5


def test_a_primary_exposes_its_replicas() -> None:
    text = text_of({**PRIMARY, "connected_slaves": 1, "slave0": REPLICA})
    labels = {"slave_ip": "10.0.0.2", "slave_port": "6380", "slave_state": "online"}
    assert value(text, "redis_connected_slave_offset_bytes", **labels) == 77
    assert value(text, "redis_connected_slave_lag_seconds", **labels) == 1


def test_a_replica_exposes_its_primary() -> None:
    text = text_of(
        {
            "role": "slave",
            "master_host": "db-1",
            "master_port": 6379,
            "master_link_status": "down",
            "master_last_io_seconds_ago": -1,
            "slave_repl_offset": 12,
            "slave_read_only": 1,
        }
    )
    master = {"master_host": "db-1", "master_port": "6379"}
    assert value(text, "redis_master_link_up", **master) == 0
    assert value(text, "redis_master_last_io_seconds_ago", **master) == -1
    assert value(text, "redis_slave_repl_offset", **master) == 12
    assert value(text, "redis_slave_info", **master, read_only="1") == 1


def test_a_replica_of_two_primaries_exposes_both() -> None:
    text = text_of(
        {
            "role": "active-replica",
            "master_host": "a",
            "master_port": 1,
            "master_link_status": "up",
            "master_1_host": "b",
            "master_1_port": 2,
            "master_1_link_status": "down",
            "master_1_last_io_seconds_ago": 9,
        }
    )
    assert value(text, "redis_master_link_up", master_host="a", master_port="1") == 1
    assert value(text, "redis_master_link_up", master_host="b", master_port="2") == 0
    assert value(text, "redis_master_last_io_seconds_ago", master_host="b", master_port="2") == 9


def test_the_start_time_is_computed_from_the_uptime() -> None:
    assert (
        value(text_of({"uptime_in_seconds": 400}, time=1000.9), "redis_start_time_seconds") == 600
    )


def test_a_fork_is_exposed_in_seconds_and_limits_under_both_names() -> None:
    text = text_of({"latest_fork_usec": 2500, "maxmemory": 8, "maxclients": 9})
    assert value(text, "redis_latest_fork_seconds") == 0.0025
    assert value(text, "redis_memory_max_bytes") == value(text, "redis_config_maxmemory") == 8
    assert value(text, "redis_max_clients") == value(text, "redis_config_maxclients") == 9


def test_a_division_by_zero_in_the_server_is_exposed_as_nan_or_inf() -> None:
    text = text_of({"mem_fragmentation_ratio": "nan", "allocator_frag_ratio": "inf"})
    assert math.isnan(value(text, "redis_mem_fragmentation_ratio"))
    assert value(text, "redis_allocator_frag_ratio") == math.inf


def test_of_a_shard_that_does_not_reply_only_the_state_is_exposed() -> None:
    assert samples(text_of(None)) == {("redis_up", frozenset()): 0}


def test_no_field_replaces_a_metric_with_another_source() -> None:
    text = text_of(
        {"up": 0, "db_keys": 5, "maxmemory": 1, "memory_max_bytes": 2, "instance_info": 7}
    )
    assert value(text, "redis_up") == 1
    assert value(text, "redis_memory_max_bytes") == 1
    assert ("redis_db_keys", frozenset()) not in samples(text)


@pytest.mark.parametrize("name", ["a\\b", "a\\nb", "a\\", "a\\\\b", "a\nb", "a\rb", "a\udc80b"])
def test_the_help_of_a_field_with_any_name_is_valid(name: str) -> None:
    found = families(text_of({"used_memory": 1, name: 2}))
    (other,) = found.keys() - {"redis_up", "redis_memory_used_bytes", "redis_instance_info"}
    assert found[other].samples[0].value == 2
    assert found[other].documentation == f"INFO's {name}".replace("\udc80", "?")


def test_a_field_cannot_replace_a_part_of_a_summary() -> None:
    fields: dict[str, Value] = {
        "latency-percentiles_usec_sum": 7,
        "latency_percentiles_usec_get": {"p50": 1.0},
        "cmdstat_get": {"calls": 3, "usec": 4},
    }
    text = text_of(fields)
    assert value(text, "redis_latency_percentiles_usec_sum", cmd="get") == 4
    assert ("redis_latency_percentiles_usec_sum", frozenset()) not in samples(text)


def test_each_sample_has_the_labels_of_the_shard_with_valid_names() -> None:
    labels = {"site": 'f"r\\a\n', "9lives": "x", "cmd": "y", "data-center": "z"}
    text = text_of({"used_memory": 1, "cmdstat_get": {"calls": 1}}, labels)
    expected = {"site": 'f"r\\a\n', "label_9lives": "x", "label_cmd": "y", "data_center": "z"}
    assert value(text, "redis_memory_used_bytes", **expected) == 1
    assert value(text, "redis_commands_total", cmd="get", **expected) == 1


def test_no_sample_has_a_duplicate_label() -> None:
    of_master = text_of(FULL)
    own = set(re.findall(r'[{,](\w+)="', of_master))
    assert {"cmd", "quantile", "availability_zone", "read_only", "slave_ip", "master_host"} < own
    for name in (*own, "instance", "job", "le", "state", "reason", "__name__", ""):
        text = text_of(FULL, {name: "mine"})
        for line in text.splitlines():
            names = re.findall(r'[{,]([^{,"]*)="', line)
            assert len(names) == len(set(names)), line
        assert value(text, "redis_up", **{f"label_{name}": "mine"}) == 1


def test_only_selected_labels_are_exposed() -> None:
    text = text_of({}, {"site": "fra", "owner": "me"}, Selection(labels=("site",)))
    assert value(text, "redis_up", site="fra") == 1


def test_the_label_pid_is_exposed_only_if_it_is_selected() -> None:
    labels = {"pid": "7", "site": "fra"}
    assert value(text_of({}, labels), "redis_up", site="fra") == 1
    assert value(text_of({}, labels, Selection(labels=("pid",))), "redis_up", pid="7") == 1


def test_only_selected_metrics_are_exposed() -> None:
    selection = Selection(include=("redis_up", "redis_commands_*"), exclude=("*_failed_*",))
    text = text_of(
        {"used_memory": 1, "cmdstat_get": {"calls": 1, "failed_calls": 0}}, {}, selection
    )
    assert set(families(text)) == {"redis_up", "redis_commands_total"}


def test_samples_over_the_limit_are_omitted_and_counted() -> None:
    fields: dict[str, Value] = {f"errorstat_E{number}": {"count": 1} for number in range(100)}
    scrape = Scrape(Selection(max_samples=12))
    scrape.add([], [Sample(UP, (), 1)], fields)
    scrape.add([("instance", "other")], [Sample(UP, (), 1)], {"used_memory": 1})
    found = samples(b"".join(scrape.pieces()).decode())
    of_first = [key for key in found if ("instance", "other") not in key[1]]
    assert len(of_first) == 12
    assert scrape.cut == {"redis_errors_total": 100 + 2 - 12}  # up and instance_info come first
    assert ("redis_up", frozenset({("instance", "other")})) in found


def test_all_lines_of_a_metric_are_adjacent() -> None:
    scrape = Scrape(Selection())
    for name in ("a", "b"):
        scrape.add([("instance", name)], [Sample(UP, (), 1)], {"used_memory": 1, "x": 2})
    text = b"".join(scrape.pieces()).decode()
    names = [line.split("{")[0] for line in text.splitlines() if not line.startswith("#")]
    seen: list[str] = []
    for name in names:
        if name not in seen:
            seen.append(name)
        assert seen[-1] == name, f"{name} comes again after {seen[-1]}"


NAMES = (
    b"up used_memory cmdstat_x db0 slave0 errorstat_A role master_link_status unknown a{b "
    b"latency_percentiles_usec_x mem_x_ratio a\\b \\n"
).split()
PARTS = b"calls usec keys count offset p50 ip".split()
VALUES = b'1 2.5 -1 nan x " 99999999999999999999'.split()
PAIRS = st.tuples(st.sampled_from(PARTS), st.sampled_from(VALUES)).map(b"=".join)
LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.tuples(st.sampled_from(NAMES), st.binary(max_size=20)).map(b":".join),
        st.tuples(st.sampled_from(NAMES), st.lists(PAIRS, max_size=4).map(b",".join)).map(
            b":".join
        ),
    ),
    max_size=30,
)


@given(lines=LINES, label=st.text(max_size=10))
@settings(max_examples=examples(300), deadline=None)
def test_the_text_is_valid_for_any_info(lines: list[bytes], label: str) -> None:
    fields = parser.parse(b"\r\n".join(lines)).fields
    text = text_of(fields, {"label": label})
    assert value(text, "redis_up", label=label) == 1
    for metric in text_string_to_metric_families(text):
        assert all(sample.name.startswith("redis_") for sample in metric.samples)


@pytest.mark.parametrize("number", [0, -1, 2**64 - 1, 1e300, 1e-7, 0.1])
def test_numbers_keep_their_value(number: float) -> None:
    assert value(text_of({"x": number}), "redis_x") == number


def test_a_large_info_has_yield_points() -> None:
    taken: list[int] = []
    scrape = Scrape(Selection(), lambda: taken.append(1))
    scrape.add([("x", "small")], (), {f"f{number}": number for number in range(400)})
    assert not taken, "one of usual size is written at once"
    scrape.add([], (), {f"f{number}": number for number in range(3000)})
    assert len(taken) >= 6
    assert b"".join(scrape.pieces()).count(b"\nredis_f2999{} 2999\n") == 1
