"""Fields that are maps or lists: of a Sentinel, threads, modules, certificates, and all others."""

from __future__ import annotations

from tests.info_texts import TEXTS
from tests.metrics.shards import key, metrics_of, of
from tests.metrics.texts import families, samples
from zinfo.metrics.sample import MAX_LABEL


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
