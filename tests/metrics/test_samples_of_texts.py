"""What is absent, what is a flag, and that any values give valid metrics."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.metrics.shards import key, metrics_of, of
from tests.metrics.texts import families, samples
from zinfo.security.rights import Rights
from zinfo.shards.snapshot import Snapshot

KEYSPACE = "redis_db_keys"
EMPTY = {key(db="db0"): 0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Server\r\nredis_version:7.0.1\r\n# Keyspace\r\n", EMPTY),
        ("redis_version:7.0.1\n# Keyspace", EMPTY),
        ("# Keyspace\ndb3:keys=1,expires=0\n", {**EMPTY, key(db="db3"): 1}),
        ("# Keyspace\ndb0:keys=1,expires=0\n", {key(db="db0"): 1}),
        ("# Server\nredis_version:7.0.1\n", {}),  # other sections were asked for
        ("# Server\ngarnet_version:1.0\nredis_version:7.4.3\n# Clients\n", {}),
        ("# Server\nredis_version:7.0.1\n# Sentinel\nsentinel_masters:0\n", {}),
        ("# Keyspace\n# Time:1970-01-01\ndb0 Strings_keys=4, expires=0\n", {}),  # Pika
        ("db0:keys=9,expires=0\n# Keyspace\n", {key(db="db0"): 9}),
        ("# Keyspace\nx:1\n# Other\ndb0:keys=9,expires=0\nx:Keyspace\n", {key(db="db0"): 9}),
        ("# Keyspace\nx:Keyspace\ndb01:keys=1,expires=0\n", {**EMPTY, key(db="db01"): 1}),
        ("# Keyspaces\nredis_version:7.0.1\n", {}),
    ],
)
def test_the_empty_database_is_exposed_only_if_the_keyspace_is_known(
    text: str, expected: dict[object, float]
) -> None:
    assert of(samples(metrics_of(text)), KEYSPACE) == expected
    expiring = dict.fromkeys(expected, 0)
    assert of(samples(metrics_of(text)), "redis_db_keys_expiring") == expiring


def test_of_fields_that_a_client_library_parsed_the_empty_database_needs_another_one() -> None:
    of_others = Snapshot.from_fields({"redis_version": "7.0.1"}, 1, 1000.0, 0.0)
    assert not of(samples(metrics_of(of_others)), KEYSPACE)
    of_one = Snapshot.from_fields({"db1": {"keys": 2}}, 1, 1000.0, 0.0)
    assert of(samples(metrics_of(of_one)), KEYSPACE) == {**EMPTY, key(db="db1"): 2}


def test_a_hidden_database_is_not_exposed_as_empty() -> None:
    rights = Rights("client", hidden_fields=("db*",))
    text = "redis_version:7.0.1\n# Keyspace\ndb1:keys=2,expires=0\n"
    found = samples(metrics_of(text, rights=rights))
    assert not of(found, KEYSPACE)


def test_an_average_that_the_server_does_not_compute_is_not_exposed() -> None:
    found = samples(metrics_of("db0:keys=1,expires=0,avg_ttl=-1\ndb1:keys=1,avg_ttl=0\n"))
    assert of(found, "redis_db_avg_ttl_seconds") == {key(db="db1"): 0}


def test_flags_are_one_or_zero() -> None:
    found = samples(
        metrics_of(
            "cluster_state:ok\nrdb_last_bgsave_status:err\nis_bgsaving:no\nis_compact:Yes\n"
            "is_eligible_for_master_election:false\nmaster_global_link_status:up\n"
            "process_supervised:no\nserver_name:ok\nrole:fail\nstate:online\nlatest:none\n"
        )
    )
    flags = {
        name.removeprefix("redis_"): value for (name, labels), value in found.items() if not labels
    }
    assert (
        flags.items()
        >= {
            "cluster_state": 1,
            "rdb_last_bgsave_status": 0,
            "is_bgsaving": 0,
            "is_compact": 1,
            "is_eligible_for_master_election": 0,
            "master_global_link_status": 1,
        }.items()
    )
    assert flags.keys() & {"process_supervised", "server_name", "state", "latest"} == set()
    assert of(samples(metrics_of("cluster_state:fail\n")), "redis_cluster_state") == {(): 0}


def test_a_division_by_zero_of_any_field_is_exposed() -> None:
    found = samples(metrics_of("x:inf\nused_cpu_sys:nan\navailability_zone:inf\ny:-inf\n"))
    assert of(found, "redis_x") == {(): math.inf}
    assert of(found, "redis_y") == {(): -math.inf}
    assert math.isnan(of(found, "redis_cpu_sys_seconds_total")[()])
    assert not of(found, "redis_availability_zone")


# --- any INFO

_NAMES = (
    "master0 master1 master_host master_1_host master_port master_1_port master_link_status "
    "master_1_link_status slave0 slave1 slave_repl_offset slave_priority module listener0 engine_0 "
    "io_thread_0 used_active_time_io_thread_0 tls_ca_cert_serial tls_ca_cert_expires_in_seconds "
    "db0 db0_distrib_sets_items cmdstat_get cmdstat_get| errorstat_E latency_percentiles_usec_get "
    "x x_3 x3 up role maxmemory latest_fork_usec aof_last_write_status mem_aof_buffer used_memory "
    "dragonfly_version redis_version"
)
_PARTS = "name status address slaves sentinels ip port state offset lag keys calls p99 p99.0"
_WORDS = '1 -1 2.5 nan inf ok No none a " \\ N/A 99999999999999999999 é'
NAMES, PARTS, WORDS = _NAMES.split(), _PARTS.split(), _WORDS.split()
PAIRS = st.one_of(
    st.tuples(st.sampled_from(PARTS), st.sampled_from(WORDS)).map("=".join),
    st.sampled_from(PARTS),
)
VALUES = st.one_of(
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=3).map(",".join),
    st.lists(PAIRS, min_size=1, max_size=5).map(",".join),
)
LINES = st.lists(st.tuples(st.sampled_from(NAMES), VALUES).map(":".join), max_size=25)


@given(lines=LINES)
@settings(max_examples=examples(300), deadline=None)
def test_any_values_of_these_fields_give_valid_metrics_with_each_label_set_once(
    lines: list[str],
) -> None:
    text = metrics_of("\n".join(lines), "\r\n".join(["# Keyspace", *lines]))
    kinds = families(text)
    for name, labels in samples(text):  # raises if one is there twice
        assert dict(labels)["instance"] in ("0", "1")
        assert name in kinds or re.sub("_(sum|count|total)$", "", name) in kinds
