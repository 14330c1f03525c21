"""Primaries and replicas: a sample for each primary; the unit of the lag of a replica."""

from __future__ import annotations

import pytest

from tests.metrics.shards import key, metrics_of, of
from tests.metrics.texts import samples
from zinfo.info.values import Value
from zinfo.metrics.replication import MAX_PRIMARIES, owners, primaries
from zinfo.security.rights import Rights

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
        ("dragonfly_version:x", "ip=a,port=1,state=online,offset=9,lag=7", "records", "records"),
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


def test_many_primaries_do_not_multiply_the_work_of_a_scrape() -> None:
    class Counted(dict[str, Value]):
        lookups = 0

        def __contains__(self, name: object) -> bool:
            Counted.lookups += 1
            return super().__contains__(name)

    hosts = {f"master_{number}_host": f"h{number}" for number in range(1, 1000)}
    repeated: dict[str, Value] = {f"slave_x{number}": [1, 2] for number in range(100)}
    fields = Counted(hosts | repeated)
    for name, value in repeated.items():
        assert owners(fields, name, value) == ()
    assert len(primaries(fields)) == MAX_PRIMARIES
    assert Counted.lookups <= (len(repeated) + 1) * MAX_PRIMARIES
