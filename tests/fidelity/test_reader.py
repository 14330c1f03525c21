"""The plain reader reads what docs/reference/info.md says, line by line."""

from __future__ import annotations

import pytest

from tests.fidelity.reader import read
from tests.fidelity.values import Value
from tests.info_texts import TEXTS, exact

LINES: list[tuple[bytes, dict[str, Value]]] = [
    (b"used_memory:1048576", {"used_memory": 1048576}),
    (b"hit_rate:97.61%", {"hit_rate": "97.61%"}),
    (b"reading:1e+06", {"reading": 1e6}),
    (b"reading:1.5e-07", {"reading": 1.5e-7}),
    (b"reading:7e12", {"reading": "7e12"}),
    (b"reading:-0", {"reading": -0.0}),
    (b"reading:007", {"reading": "007"}),
    (b"reading: 5 ", {"reading": 5}),
    (b"reading:18446744073709551616", {"reading": "18446744073709551616"}),
    (b"ratio:-nan", {"ratio": "-nan"}),
    (b"redis_version:7.10", {"redis_version": "7.10"}),
    (b"version:2.10", {"version": "2.10"}),
    (b"kvrocks_git_sha1:1234567", {"kvrocks_git_sha1": "1234567"}),
    (b"ReplicationID:1000", {"ReplicationID": "1000"}),
    (b"tls_server_cert_serial:1000", {"tls_server_cert_serial": "1000"}),
    (b"process_id:12", {"process_id": 12}),
    (b"num_super_version:12", {"num_super_version": 12}),
    (b"master_host:10", {"master_host": "10"}),
    (b"config_file:/srv/a=b,c", {"config_file": "/srv/a=b,c"}),
    (b"last_saved_file:/data/d=1,x.dfs", {"last_saved_file": "/data/d=1,x.dfs"}),
    (b"tls_cert_subject:C=US, O=Foo, Inc", {"tls_cert_subject": "C=US, O=Foo, Inc"}),
    (b"last_error:No space: rdb=1,tmp=2", {"last_error": "No space: rdb=1,tmp=2"}),
    (b"is_compact:No, , 0", {"is_compact": "No, , 0"}),
    (b"get:calls=1, usec=2.00", {"get": {"calls": 1, "usec": 2.0}}),
    (b"slave0:10.168.1.213,23220,online", {"slave0": ["10.168.1.213", 23220, "online"]}),
    (b"list:1,,2", {"list": [1, "", 2]}),
    (
        b"slave0:ip=2a00::200e,port=6379,state=online,offset=1,lag=0",
        {"slave0": {"ip": "2a00::200e", "port": 6379, "state": "online", "offset": 1, "lag": 0}},
    ),
    (
        b"listener0:name=tcp,bind=*,bind=-::*,port=6379",
        {"listener0": {"name": "tcp", "bind": ["*", "-::*"], "port": 6379}},
    ),
    (
        b"engine_0:name=LUA,abi_version=4,used_memory=9",
        {"engine_0": {"name": "LUA", "abi_version": "4", "used_memory": 9}},
    ),
    (b"module:name=search,ver=20814", {"module": [{"name": "search", "ver": 20814}]}),
    (b"allocation_stats:6=1,>=256=3", {"allocation_stats": {"6": 1, ">=256": 3}}),
    (b"db0:keys=15,expires=0", {"db0": {"keys": 15, "expires": 0}}),
    (b"db0_distrib_sets_items:1=1", {"db0_distrib_sets_items": {"1": 1}}),
    (b"cmdstat_host::calls=6", {"cmdstat_host:": {"calls": 6}}),
    (b"errorstat_bad,x=1:count=1", {"errorstat_bad,x=1": {"count": 1}}),
    (b"caf\xe9:\xff", {"caf\\xe9": "\\xff"}),
    (b"twice:1\r\ntwice:b", {"twice": [1, "b"]}),
    (b"cr:2\r", {"cr": "2\r"}),
    (b"db0 Strings_keys=7, expires=0\r\n:no name\r\n \t", {}),
]


@pytest.mark.parametrize(("line", "fields"), LINES)
def test_a_line_has_the_value_of_the_documentation(line: bytes, fields: dict[str, Value]) -> None:
    assert exact(read(line + b"\r\n").fields()) == exact(fields)


def test_headers_of_several_words_are_sections_and_comments_are_not() -> None:
    headers = [
        *("Cluster Info", "Replication(Master && SLAVE)", "search_index", "Running Status"),
        *("Time: 1970-01-01 08:00:00", "Start async statistics", "WARN: never performed yet"),
        'Use "info keyspace 1" to do async statistics',
    ]
    reading = read("".join(f"# {header}\r\nx:1\r\n" for header in headers).encode())
    assert reading.titles == headers[:4]


def test_a_section_has_its_own_values_and_its_name_ends_at_the_bracket() -> None:
    reading = read(b"# Store_DB_0\nx:1\n# Store_DB_1\nx:2\n# Replication(MASTER)\nrole:master\n")
    assert reading.fields() == {"x": [1, 2], "role": "master"}
    assert reading.fields("store_db_1") == {"x": 2}
    assert reading.fields("replication") == {"role": "master"}


def test_lines_that_cannot_be_read_are_counted() -> None:
    reading = read(b"# Keyspace\r\ndb0 Strings_keys=7\r\n:text\r\n\r\n# Time: 1\r\n \t\r\n")
    assert reading.bad == [("Keyspace", "db0 Strings_keys=7"), ("Keyspace", ":text")]


def test_each_line_of_each_stored_text_is_a_field_a_header_a_comment_or_blank_or_bad() -> None:
    for name, raw in TEXTS.items():
        reading = read(raw)
        others = [line for line in raw.split(b"\n") if line[:1] == b"#" or not line.strip()]
        assert len(reading.lines) + len(reading.bad) + len(others) == raw.count(b"\n") + 1, name
