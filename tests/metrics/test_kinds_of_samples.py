"""Fields that are lists, maps or flags: their metrics, and what is never invented."""

from __future__ import annotations

import math

import pytest

from tests.info_texts import TEXTS
from tests.metrics.shards import metrics_of
from tests.metrics.texts import Samples, families, samples
from zinfo.metrics.sample import MAX_LABEL
from zinfo.security.rights import Rights
from zinfo.shards.snapshot import Snapshot

A = {"master_host": "10.0.0.1", "master_port": "6379"}
B = {"master_host": "10.0.0.2", "master_port": "6380"}

KEYDB_6 = """# Replication
role:active-replica
master_global_link_status:down
connected_masters:1
master_host:10.0.0.1
master_port:6379
master_link_status:down
master_last_io_seconds_ago:-1
master_sync_in_progress:0
slave_read_repl_offset:2
slave_repl_offset:1
master_link_down_since_seconds:30
master_1_host:10.0.0.2
master_1_port:6380
master_1_link_status:up
master_1_last_io_seconds_ago:8
master_1_sync_in_progress:1
slave_read_repl_offset:8
slave_repl_offset:7
slave_read_only:0
"""
KEYDB_5 = """# Replication
role:active-replica
Master 0:
master_host:10.0.0.1
master_port:6379
master_link_status:up
master_last_io_seconds_ago:3
master_sync_in_progress:0
slave_repl_offset:900
Master 1:
master_host:10.0.0.2
master_port:6380
master_link_status:down
master_last_io_seconds_ago:-1
master_sync_in_progress:1
slave_repl_offset:800
slave_read_only:1
"""
DRAGONFLY = """# Server
dragonfly_version:df-v1.35.0
# Replication
role:replica
master_host:10.0.0.1
master_port:6379
master_link_status:up
slave_repl_offset:77
slave_priority:100
slave_read_only:1
psync_attempts:2
master_host:10.0.0.2
master_port:6380
master_link_status:down
slave_priority:90
slave_read_only:1
psync_attempts:3
"""


def of(found: Samples, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the samples of one metric by their sorted labels."""
    return {tuple(sorted(labels)): value for (one, labels), value in found.items() if one == name}


def key(**labels: str) -> tuple[tuple[str, str], ...]:
    """Return labels in the form that `of` has."""
    return tuple(sorted(labels.items()))


# --- several primaries


def test_keydb_6_has_a_sample_for_each_primary_in_the_order_of_the_reply() -> None:
    found = samples(metrics_of(KEYDB_6))
    assert of(found, "redis_master_link_up") == {key(**A): 0, key(**B): 1}
    assert of(found, "redis_master_last_io_seconds_ago") == {key(**A): -1, key(**B): 8}
    assert of(found, "redis_master_sync_in_progress") == {key(**A): 0, key(**B): 1}
    assert of(found, "redis_slave_repl_offset") == {key(**A): 1, key(**B): 7}
    assert of(found, "redis_slave_read_repl_offset") == {key(**A): 2, key(**B): 8}
    assert of(found, "redis_master_link_down_since_seconds") == {key(**A): 30}
    assert of(found, "redis_slave_info") == {
        key(**A, read_only="0"): 1,
        key(**B, read_only="0"): 1,
    }
    assert of(found, "redis_master_global_link_status") == {(): 0}


def test_keydb_5_has_a_sample_for_each_primary_in_the_order_of_the_reply() -> None:
    found = samples(metrics_of(KEYDB_5))
    assert of(found, "redis_master_link_up") == {key(**A): 1, key(**B): 0}
    assert of(found, "redis_master_last_io_seconds_ago") == {key(**A): 3, key(**B): -1}
    assert of(found, "redis_master_sync_in_progress") == {key(**A): 0, key(**B): 1}
    assert of(found, "redis_slave_repl_offset") == {key(**A): 900, key(**B): 800}


def test_a_value_that_is_missing_for_one_of_several_primaries_is_not_guessed() -> None:
    found = samples(metrics_of(DRAGONFLY))
    assert of(found, "redis_master_link_up") == {key(**A): 1, key(**B): 0}
    assert not of(found, "redis_slave_repl_offset")  # one of the two, and which is unknown
    assert of(found, "redis_slave_priority") == {key(**A): 100, key(**B): 90}
    assert of(found, "redis_psync_attempts") == {key(**A): 2, key(**B): 3}


def test_a_replica_by_any_role_names_its_primary() -> None:
    found = samples(metrics_of("role:replica\nmaster_host:10.0.0.1\nmaster_port:6379\n"))
    assert of(found, "redis_slave_info") == {key(**A, read_only=""): 1}
    assert not of(samples(metrics_of("role:master\n")), "redis_slave_info")


def test_no_label_is_the_text_of_a_list_or_a_map() -> None:
    fields = ["role", "redis_version", "os", "tcp_port", "run_id", "master_host", "slave_read_only"]
    lines = [f"{field}:{value}" for value in ("a", "b", "x=1") for field in fields]
    text = metrics_of("\n".join(lines), "slave0:ip=a,ip=b,port=1,state=online,offset=2\nrole:slave")
    assert "[" not in text
    assert "'" not in text.replace("INFO's", "")


# --- Sentinel


def test_a_sentinel_exposes_the_primaries_that_it_monitors() -> None:
    found = samples(
        metrics_of(
            "# Sentinel\nsentinel_masters:2\nsentinel_tilt:0\n"
            "master0:name=cache,status=sdown,address=10.0.0.1:6379,slaves=2,sentinels=3\n"
            "master1:name=777,status=ok,address=[2001:db8::1]:6379,slaves=0,sentinels=1\n"
        )
    )
    a = {"master_name": "cache", "master_address": "10.0.0.1:6379"}
    b = {"master_name": "777", "master_address": "[2001:db8::1]:6379"}
    assert of(found, "redis_sentinel_masters") == {(): 2}
    assert of(found, "redis_sentinel_master_status") == {
        key(**a, master_status="sdown"): 0,
        key(**b, master_status="ok"): 1,
    }
    assert of(found, "redis_sentinel_master_slaves") == {key(**a): 2, key(**b): 0}
    assert of(found, "redis_sentinel_master_sentinels") == {key(**a): 3, key(**b): 1}


def test_primaries_under_one_number_are_all_exposed() -> None:
    found = samples(metrics_of(TEXTS["handmade-sentinel-two-masters-of-a-number"]))
    assert len(of(found, "redis_sentinel_master_status")) == 2


# --- maps


def test_threads_engines_listeners_and_modules_have_named_metrics() -> None:
    text = metrics_of(
        "# Server\nlistener0:name=tcp,bind=127.0.0.1,bind=-::1,port=6379\n"
        "listener1:name=unix,bind=/run/redis.sock\n"
        "# Threads\nio_thread_0:clients=1,reads=5,writes=2\n"
        "# Modules\nmodule:name=bf,ver=20802,api=1,filters=0,usedby=[a|b],using=[],options=[x]\n"
        "# Scripting Engines\n"
        "engine_0:name=LUA,module=lua,abi_version=4,used_memory=69632,memory_overhead=56\n"
    )
    found = samples(text)
    thread = key(thread="0")
    assert of(found, "redis_io_thread_clients") == {thread: 1}
    assert of(found, "redis_io_thread_reads_total") == {thread: 5}
    assert of(found, "redis_io_thread_writes_total") == {thread: 2}
    assert families(text)["redis_io_thread_reads_total"].type == "counter"
    engine = key(engine="LUA", module="lua", abi_version="4")
    assert of(found, "redis_scripting_engine_info") == {engine: 1}
    assert of(found, "redis_scripting_engine_memory_used_bytes") == {engine: 69632}
    assert of(found, "redis_scripting_engine_memory_overhead_bytes") == {engine: 56}
    module = key(name="bf", ver="20802", api="1", filters="0", usedby="[a|b]", using="[]")
    assert of(found, "redis_module_info") == {module: 1}
    tcp = {"listener_name": "tcp", "listener_bind": "127.0.0.1,-::1", "listener_port": "6379"}
    unix = {"listener_name": "unix", "listener_bind": "/run/redis.sock", "listener_port": ""}
    assert of(found, "redis_listener_info") == {
        key(index="0", listener_path="", **tcp): 1,
        key(index="1", listener_path="", **unix): 1,
    }


def test_a_certificate_that_is_not_there_has_no_metrics() -> None:
    found = samples(
        metrics_of(
            "# TLS\ntls_server_cert_serial:01A2\ntls_server_cert_expires_in_seconds:47\n"
            "tls_client_cert_serial:none\ntls_client_cert_expires_in_seconds:0\n"
            "tls_ca_cert_serial:1000\ntls_ca_cert_expires_in_seconds:-3\n"
        )
    )
    assert of(found, "redis_tls_certificate_info") == {
        key(certificate="server", serial="01A2"): 1,
        key(certificate="ca", serial="1000"): 1,
    }
    assert of(found, "redis_tls_server_cert_expires_in_seconds") == {(): 47}
    assert of(found, "redis_tls_ca_cert_expires_in_seconds") == {(): -3}
    assert not of(found, "redis_tls_client_cert_expires_in_seconds")


def test_a_map_that_zinfo_does_not_know_has_a_sample_for_each_number() -> None:
    found = samples(
        metrics_of(
            "new:a=1,b=two,c=2.5,d\npool_3:free=7\npool_4:free=8\nsearch_fields_text:Text=5\n"
        )
    )
    assert of(found, "redis_new") == {key(part="a"): 1, key(part="c"): 2.5}
    assert of(found, "redis_pool") == {
        key(index="3", part="free"): 7,
        key(index="4", part="free"): 8,
    }
    assert of(found, "redis_search_fields_text") == {key(part="Text"): 5}


def test_a_repeated_field_and_a_list_of_numbers_have_a_sample_for_each_item() -> None:
    found = samples(
        metrics_of(
            "x:1\nx:2\ny:N/A\ny:64\ntx_with_freq:5,6\nmixed:1,a,2\ntexts:a\ntexts:b\nmaps:a=1\nmaps:a=2\n"
            "slave0:10.168.1.213,23220,online\n"
        )
    )
    assert of(found, "redis_x") == {key(index="0"): 1, key(index="1"): 2}
    assert of(found, "redis_y") == {key(index="1"): 64}
    assert of(found, "redis_tx_with_freq") == {key(index="0"): 5, key(index="1"): 6}
    assert of(found, "redis_maps") == {
        key(index="0", part="a"): 1,
        key(index="1", part="a"): 2,
    }
    assert {name for name, _ in found} & {"redis_mixed", "redis_texts", "redis_slave"} == set()


def test_a_repeated_field_with_a_metric_of_its_own_has_a_sample_for_each_item() -> None:
    fields = {
        "expired_stale_perc": "redis_expired_stale_percentage",
        "latest_fork_usec": "redis_latest_fork_seconds",
        "maxmemory": "redis_config_maxmemory",
        "aof_last_write_status": "redis_aof_last_write_status",
        "tls_ca_cert_expires_in_seconds": "redis_tls_ca_cert_expires_in_seconds",
        "eventloop_cycles": "redis_eventloop_cycles_total",
    }
    found = samples(metrics_of("".join(f"{field}:1\n{field}:2\n" for field in fields)))
    for name in fields.values():
        assert set(of(found, name)) == {key(index="0"), key(index="1")}, name


def test_of_repeated_statistics_and_databases_the_first_values_count() -> None:
    found = samples(
        metrics_of(
            "cmdstat_get:calls=1,usec=5\ncmdstat_get:calls=2,failed_calls=3\n"
            "latency_percentiles_usec_get:p50=1.0\nlatency_percentiles_usec_get:p50=2.0\n"
            "errorstat_ERR:count=4\nerrorstat_ERR:count=5\nerrorstat_syntax_error:6\n"
            "# Keyspace\ndb0:keys=7,expires=0\ndb0:keys=8,expires=0\n"
        )
    )
    get = key(cmd="get")
    assert of(found, "redis_commands_total") == {get: 1}
    assert of(found, "redis_commands_failed_calls_total") == {get: 3}
    assert of(found, "redis_latency_percentiles_usec_count") == {get: 1}
    assert of(found, "redis_latency_percentiles_usec") == {key(cmd="get", quantile="50"): 1}
    assert of(found, "redis_errors_total") == {key(err="ERR"): 4, key(err="syntax_error"): 6}
    assert of(found, "redis_db_keys") == {key(db="db0"): 7}


def test_a_distribution_of_keys_has_a_sample_for_each_bin() -> None:
    found = samples(metrics_of("db0_distrib_strings_sizes:1=3,1K=2\ndb12_distrib_sets_items:1=1\n"))
    assert of(found, "redis_db_distrib_strings_sizes") == {
        key(db="db0", bin="1"): 3,
        key(db="db0", bin="1K"): 2,
    }
    assert of(found, "redis_db_distrib_sets_items") == {key(db="db12", bin="1"): 1}


def test_parts_that_zinfo_does_not_know_have_metrics_with_their_name() -> None:
    found = samples(
        metrics_of(
            "cmdstat_get:calls=2,usec=4,usec_per_call=2.00,slow=7,total=9,a b=1\n"
            "# Keyspace\ndb0:keys=5,expires=0,hits=6,misses=7,hit_ratio=1.07,keys_cached=1\n"
        )
    )
    get = key(cmd="get")
    assert of(found, "redis_command_slow") == {get: 7}
    assert of(found, "redis_commands_total") == {get: 2}
    assert of(found, "redis_db_hits") == {key(db="db0"): 6}
    assert of(found, "redis_db_hit_ratio") == {key(db="db0"): 1.07}
    names = {name for name, _ in found}
    assert names & {"redis_command_usec_per_call", "redis_command_a_b"} == set()
    assert not of(found, "redis_db_keys_cached")  # the metric of KeyDB's cached_keys


def test_no_map_replaces_a_metric_with_another_source() -> None:
    found = samples(metrics_of("up:a=5\nup_1:a=5\ndb_keys:a=1,b=2\nmodule_info:1,2\nrole:up\n"))
    assert of(found, "redis_up") == {(): 1}
    assert not of(found, "redis_db_keys")
    assert not of(found, "redis_module_info")


def test_a_part_without_a_value_is_not_a_number() -> None:
    found = samples(metrics_of("slave0:ip=a,port=1,state=online,offset,lag\nx:b=1,calls\n"))
    assert not of(found, "redis_connected_slave_offset_bytes")
    assert of(found, "redis_x") == {key(part="b"): 1}


def test_labels_are_bounded() -> None:
    long = "n" * 10_000
    text = metrics_of(
        f"errorstat_{long}:count=1\ncmdstat_{long}:calls=1\nx:{long}=1\nos:{long}\n"
        f"slave0:ip={long},port=1,state=online,offset=1,lag=1\n"
        f"master0:name={long},status=ok,address=a,slaves=1,sentinels=1\n"
        f"module:name={long},ver=1\nrole:slave\nmaster_host:{long}\n"
        f"latency_percentiles_usec_{long}:p50=1.0\ndb0_distrib_x:{long}=1\n"
    )
    for _name, labels in samples(text):
        assert all(len(value) <= MAX_LABEL for _label, value in labels)


def test_only_a_number_is_a_quantile() -> None:
    found = samples(
        metrics_of("latency_percentiles_usec_get:p50=1.0,p99.90=2.0,pmax=3.0,=4.0,_sum=9,p99=5\n")
    )
    quantiles = {dict(labels).get("quantile") for _name, labels in found}
    assert quantiles == {None, "50", "99.9", "99"}
    assert ("redis_latency_percentiles_usec_sum", frozenset({("cmd", "get")})) not in found


# --- what is absent, and flags

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


# --- the lag of a replica

LAG = "redis_connected_slave_lag"
OFFSET = "redis_connected_slave_offset"


@pytest.mark.parametrize(
    ("server", "line", "unit", "offset"),
    [
        ("redis_version:7.0.1", "ip=a,port=1,state=online,offset=5,lag=1", "seconds", "bytes"),
        ("redis_version:6.3.4", "ip=a,port=1,state=wait_bgsave,offset=0,lag=0", "seconds", "bytes"),
        ("dragonfly_version:df-v1.35", "ip=a,port=1,state=online,lag=7", "records", None),
        ("role:master", "ip=a,port=1,state=stable_sync,lag=7", "records", None),
        ("kvrocks_version:2.12.1", "ip=a,port=1,offset=9,lag=7", "records", "records"),
        ("role:master", "ip=a,port=1,offset=9,lag=7", "records", "records"),
        ("garnet_version:1.0", "ip=a,port=1,state=online,offset=9,lag=7", "bytes", "bytes"),
        ("role:master", "ip=a,port=1,state=x,offset=9,lag=7,sequenceNumber=1", "bytes", "bytes"),
        ("pika_version:3.4.0", "ip=a,port=1,state=online,sid=1,lag=100", "bytes", None),
    ],
)
def test_the_lag_of_a_replica_has_the_unit_of_the_server(
    server: str, line: str, unit: str, offset: str | None
) -> None:
    found = samples(metrics_of(f"{server}\nslave0:{line}\n"))
    names = {name for name, _ in found}
    assert [name for name in names if name.startswith(LAG)] == [f"{LAG}_{unit}"]
    expected = [] if offset is None else [f"{OFFSET}_{offset}"]
    assert [name for name in names if name.startswith(OFFSET)] == expected


def test_a_hidden_version_does_not_change_the_unit_of_the_lag() -> None:
    rights = Rights("client", hidden_fields=("*_version",))
    text = "kvrocks_version:2.12.1\nslave0:ip=a,port=1,offset=9,lag=250000\n"
    names = {name for name, _ in samples(metrics_of(text, rights=rights))}
    assert f"{LAG}_records" in names
    assert f"{LAG}_seconds" not in names
