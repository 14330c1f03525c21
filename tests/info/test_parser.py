"""Parsing of INFO text to fields and sections: tables of lines, and whole replies."""

from __future__ import annotations

import itertools

import pytest

from tests.info_texts import TEXTS, exact, handmade
from zinfo.info.field_reader import find_field
from zinfo.info.lines import has_fields
from zinfo.info.parser import Value, parse
from zinfo.info.sections import section_fields, select_sections

LINES: list[tuple[str, str, Value]] = [
    # numbers
    ("uptime_in_seconds:81402", "uptime_in_seconds", 81402),
    ("second_repl_offset:-1", "second_repl_offset", -1),
    ("used_cpu_sys:0.112392", "used_cpu_sys", 0.112392),
    ("expired_stale_perc:0.00", "expired_stale_perc", 0.0),
    ("drift:-0.50", "drift", -0.5),
    ("big:1.5e+20", "big", 1.5e20),
    ("large:1e+06", "large", 1e6),
    ("small:-1E-05", "small", -1e-05),
    ("long_fraction:0.10000000000000001", "long_fraction", 0.1),
    ("padded: 5", "padded", 5),
    # not ids, in spite of their last letters or words
    ("process_id:7", "process_id", 7),
    ("num_super_version:17", "num_super_version", 17),
    ("grid:7", "grid", 7),
    ("valid:7", "valid", 7),
    ("zip:7", "zip", 7),
    ("type_used_memory_hash:7", "type_used_memory_hash", 7),
    ("largest:18446744073709551615", "largest", 18446744073709551615),
    ("smallest:-9223372036854775808", "smallest", -9223372036854775808),
    ("db_size:473558", "db_size", 473558),
    # text that looks like a number
    ("redis_version:7.4", "redis_version", "7.4"),
    ("valkey_version:8.1.8", "valkey_version", "8.1.8"),
    ("gcc_version:12", "gcc_version", "12"),
    ("redis_git_sha1:00000000", "redis_git_sha1", "00000000"),
    ("redis_build_id:7e12", "redis_build_id", "7e12"),
    ("run_id:" + "1" * 40, "run_id", "1" * 40),
    ("master_replid2:" + "0" * 40, "master_replid2", "0" * 40),
    ("master_host:10", "master_host", "10"),
    ("master_1_host:11", "master_1_host", "11"),
    ("version:2.10", "version", "2.10"),
    ("tls_server_cert_serial:1000", "tls_server_cert_serial", "1000"),
    ("kvrocks_git_sha1:1234567", "kvrocks_git_sha1", "1234567"),
    ("ReplicationID:77", "ReplicationID", "77"),
    ("module_build_id:7e+12", "module_build_id", "7e+12"),
    ("git_commit:1e+06", "git_commit", "1e+06"),
    ("server_name:10", "server_name", "10"),
    ("new.fork-UUID:10", "new.fork-UUID", "10"),
    ("leading:007", "leading", "007"),
    ("plus:+5", "plus", "+5"),
    ("underscore:1_000", "underscore", "1_000"),
    ("minus_zero:-0", "minus_zero", -0.0),
    ("too_large:18446744073709551616", "too_large", "18446744073709551616"),
    ("too_small:-9223372036854775809", "too_small", "-9223372036854775809"),
    ("no_double:1.0e999", "no_double", "1.0e999"),
    ("no_double:1e+999", "no_double", "1e+999"),
    ("id_like:7e12", "id_like", "7e12"),
    ("no_exponent:1e+", "no_exponent", "1e+"),
    ("allocator_frag_ratio:-nan", "allocator_frag_ratio", "-nan"),
    ("ratio:nan", "ratio", "nan"),
    ("ratio:inf", "ratio", "inf"),
    ("arabic:١٢", "arabic", "١٢"),
    ("superscript:²", "superscript", "²"),
    ("long:" + "9" * 5000, "long", "9" * 5000),
    # text
    ("used_memory_peak_perc:97.61%", "used_memory_peak_perc", "97.61%"),
    ("used_memory_human:834.14K", "used_memory_human", "834.14K"),
    ("config_file:", "config_file", ""),
    ("executable:-", "executable", "-"),
    (r"executable:C:\redis\redis-server.exe", "executable", r"C:\redis\redis-server.exe"),
    ("config_file:/srv/a=b,c/redis.conf", "config_file", "/srv/a=b,c/redis.conf"),
    # maps
    (
        "db0:keys=41,expires=0,avg_ttl=-1,hits=44,hit_ratio=1.07",
        "db0",
        {"keys": 41, "expires": 0, "avg_ttl": -1, "hits": 44, "hit_ratio": 1.07},
    ),
    ("db0_distrib_sets_items:1=1", "db0_distrib_sets_items", {"1": 1}),
    (
        "db0_distrib_strings_sizes:1=3,2=5,1K=2",
        "db0_distrib_strings_sizes",
        {"1": 3, "2": 5, "1K": 2},
    ),
    (
        "slave0:ip=2a00:1450:400e:808::200e,port=6379,state=send_bulk,offset=7,lag=0",
        "slave0",
        {
            "ip": "2a00:1450:400e:808::200e",
            "port": 6379,
            "state": "send_bulk",
            "offset": 7,
            "lag": 0,
        },
    ),
    ("slave0:ip=10.1,port=6379", "slave0", {"ip": "10.1", "port": 6379}),
    ("slave0:10.168.1.213,23220,online", "slave0", ["10.168.1.213", 23220, "online"]),
    ("holes:1,,2", "holes", [1, "", 2]),
    (
        "listener0:name=tcp,bind=*,bind=-::*,bind=::1,port=6379",
        "listener0",
        {"name": "tcp", "bind": ["*", "-::*", "::1"], "port": 6379},
    ),
    ("allocation_stats:6=1,>=256=9", "allocation_stats", {"6": 1, ">=256": 9}),
    ("flags:a=1,b,,c=3", "flags", {"a": 1, "b": True, "c": 3}),
    (
        "engine_0:name=LUA,module=lua,abi_version=4,used_memory=69632",
        "engine_0",
        {"name": "LUA", "module": "lua", "abi_version": "4", "used_memory": 69632},
    ),
    (
        "module0:name=search,ver=20814,run_id=12,cert-serial=7,lag=1e+06",
        "module0",
        {"name": "search", "ver": 20814, "run_id": "12", "cert-serial": "7", "lag": 1e6},
    ),
    (
        "get:calls=1, usec=2.00, usec_per_call=1e+06",
        "get",
        {"calls": 1, "usec": 2.0, "usec_per_call": 1e6},
    ),
    ("Hashes: keys=12, expires=3", "Hashes", {"keys": 12, "expires": 3}),
    ("figures:1, 2", "figures", [1, 2]),
    ("not_available:N/A,5", "not_available", ["N/A", 5]),
    ("addresses:[::1]:1,[::2]:2", "addresses", ["[::1]:1", "[::2]:2"]),
    ("socket:name=unix,bind=/tmp/a b.sock", "socket", {"name": "unix", "bind": "/tmp/a b.sock"}),
    ("negative:-5=1,-1=2", "negative", {"-5": 1, "-1": 2}),
    # statistics, whose names hold anything
    (
        "cmdstat_get:calls=21,usec=175,usec_per_call=8.33",
        "cmdstat_get",
        {"calls": 21, "usec": 175, "usec_per_call": 8.33},
    ),
    ("cmdstat_config|get:calls=1", "cmdstat_config|get", {"calls": 1}),
    ("cmdstat_host::calls=6,usec=601", "cmdstat_host:", {"calls": 6, "usec": 601}),
    ("errorstat_bad_code,x=1:count=1", "errorstat_bad_code,x=1", {"count": 1}),
    ("errorstat_a:b:count=1", "errorstat_a:b", {"count": 1}),
    ("errorstat_syntax_error:1", "errorstat_syntax_error", 1),
    (
        "latency_percentiles_usec_get:p50=0.001,p99=1.003,p99.9=3.007",
        "latency_percentiles_usec_get",
        {"p50": 0.001, "p99": 1.003, "p99.9": 3.007},
    ),
    (
        "latency_percentiles_usec_get:=1.0,p99=2.0",
        "latency_percentiles_usec_get",
        {"": 1.0, "p99": 2.0},
    ),
    (
        "latency_percentiles_usec_get:p50=a,p99",
        "latency_percentiles_usec_get",
        {"p50": "a", "p99": True},
    ),
    ("latency_percentiles_usec_get:", "latency_percentiles_usec_get", ""),
]


PROSE = [
    "C=US, O=Foo, Inc, CN=10",
    "CN=10, O=5",
    "/data/d=1,x.dfs",
    "/data/a,b.rdb",
    "d=1,x.dfs",
    "C:\\data=1,x",
    "redis-server --port=6379 --dir=/x,y",
    "--port=6379,--tls=yes",
    "redis://h/?a=1,b=2",
    "a=1;b=2",
    "QUJDREU=",
    "QUJDRA==",
    "a comma, and a b=1",
    "a comma, and another",
    "Linux 6.1, x86_64",
    "No, , 0",
    '{"a":1,"b":2}',
    "[1,2]",
    "x,y=1",
    "=1",
]
"""Values with commas and equals signs that are neither a map nor a list."""


@pytest.mark.parametrize("value", PROSE)
def test_prose_is_text(value: str) -> None:
    assert parse(f"x:{value}\r\n".encode()).fields == {"x": value}


def test_the_name_of_a_certificates_subject_makes_it_text() -> None:
    assert parse(b"tls_cert_issuer:CN=10\n").fields == {"tls_cert_issuer": "CN=10"}


@pytest.mark.parametrize("end", ["\r\n", "\n", ""], ids=["CRLF", "LF", "cut"])
@pytest.mark.parametrize(("line", "name", "value"), LINES, ids=[line[:40] for line, _, _ in LINES])
def test_a_line_becomes_a_field_with_this_value(
    line: str, name: str, value: Value, end: str
) -> None:
    raw = (line + end).encode()
    for _ in range(2):  # the second parse uses the caches
        assert exact(parse(raw).fields) == exact({name: value})
    assert parse(raw).bad_lines == 0
    assert find_field(raw, name.encode()) == line[len(name) + 1 :].encode()


@pytest.mark.parametrize("line", [":no name", "no colon", ":", "\x00", "db0 binlog_offset=0 440"])
def test_a_line_that_is_not_a_field_is_counted(line: str) -> None:
    info = parse(f"# Server\r\na:1\r\n{line}\r\nb:2\r\n".encode())
    assert info.bad_lines == 1
    assert info.fields == {"a": 1, "b": 2}


def test_blank_lines_headers_and_comments_are_not_bad_lines() -> None:
    info = parse(b"\r\n# Server\r\n\r\n#\r\n# Time: 1970-01-01 08:00\r\n  \r\na:1\r\n\r\n")
    assert info.bad_lines == 0
    assert info.sections == {"Server": ("a",)}


def test_bytes_that_are_not_utf_8_are_escaped_and_stay_distinct() -> None:
    info = parse(b"errorstat_caf\xe9:count=1\r\nerrorstat_caf\xe8:count=2\r\nname:\xed\xa0\x80")
    assert info.fields == {
        "errorstat_caf\\xe9": {"count": 1},
        "errorstat_caf\\xe8": {"count": 2},
        "name": "\\xed\\xa0\\x80",
    }


def test_characters_outside_ascii_are_unchanged() -> None:
    assert parse("name:Zürich €".encode()).fields == {"name": "Zürich €"}


def test_a_single_cr_or_vertical_tab_does_not_end_a_line() -> None:
    assert parse(b"a:x\ry\x0bz\x85\r\nb:2").fields == {"a": "x\ry\x0bz\\x85", "b": 2}


def test_a_repeated_field_is_a_list_and_named_once() -> None:
    info = parse(handmade("sentinel-two-masters-of-a-number"))
    masters = info.fields["master0"]
    assert isinstance(masters, list)
    assert [master["name"] for master in masters if isinstance(master, dict)] == ["cache", "7"]
    assert info.sections["Sentinel"].count("master0") == 1


def test_a_repeated_list_is_a_list_of_lists() -> None:
    assert parse(b"slave0:10.0.0.1,1\r\nslave0:10.0.0.2,2\r\n").fields == {
        "slave0": [["10.0.0.1", 1], ["10.0.0.2", 2]]
    }


def test_modules_are_a_list_even_if_there_is_one() -> None:
    one = parse(handmade("one-module")).fields["module"]
    many = parse(handmade("redis-8-modules")).fields["module"]
    assert isinstance(one, list)
    assert isinstance(many, list)
    assert [len(one), len(many)] == [1, 3]
    assert isinstance(one[0], dict)
    assert one[0] == {
        "name": "bf",
        "ver": 70005,
        "api": 1,
        "filters": 0,
        "usedby": "[]",
        "using": "[]",
        "options": "[]",
    }


# -- sections


def test_sections_keep_the_servers_names_and_order() -> None:
    info = parse(TEXTS["redis-7.0.15-primary-1"])
    assert list(info.sections) == [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Commandstats",
        "Errorstats",
        "Latencystats",
        "Cluster",
        "Keyspace",
    ]
    assert info.sections["Keyspace"] == ("db0", "db1", "db9")
    assert info.sections["Modules"] == ()


@pytest.mark.parametrize("name", TEXTS)
def test_every_field_is_in_exactly_the_sections_that_hold_it(name: str) -> None:
    info = parse(TEXTS[name])
    assert list(dict.fromkeys(itertools.chain(*info.sections.values()))) == list(info.fields)


def test_fields_before_any_header_are_in_the_section_without_a_name() -> None:
    info = parse(handmade("redis-2.4"))
    assert list(info.sections) == [""]
    assert info.sections[""] == tuple(info.fields)


def test_a_repeated_section_is_merged() -> None:
    info = parse(b"# A\na:1\n# B\nb:2\n# A\nc:3\na:4\n")
    assert info.sections == {"A": ("a", "c"), "B": ("b",)}
    assert info.fields == {"a": [1, 4], "b": 2, "c": 3}


def test_pikas_comments_are_not_sections_and_the_role_in_its_header_is_retained() -> None:
    info = parse(handmade("pika-3.4"))
    assert list(info.sections)[-2:] == ["Replication(MASTER)", "Keyspace"]
    assert info.sections["Keyspace"] == ("Hashes",)
    assert info.bad_lines == 2


@pytest.mark.parametrize(
    "title",
    [
        "Cluster Info",
        "Replication(Master && SLAVE)",
        "Running Status",
        "RocksDB",
        "lowercase",
        "Store_DB_0",
        "redisgears_2_UninitialisedBackends",
        "Level 0 Files",
        "Größe Ä",
    ],
)
@pytest.mark.parametrize("end", ["\r\n", "\n", " \r\n"])
def test_a_header_starts_a_section(title: str, end: str) -> None:
    raw = f"# Before{end}a:1{end}# {title}{end}b:2{end}".encode()
    assert parse(raw).sections == {"Before": ("a",), title: ("b",)}


@pytest.mark.parametrize(
    "comment",
    [
        "Time: 1970-01-01",
        "Time:1970",
        "Last DBSIZE SCAN time: Fri Nov  7 10:00:00 2025",
        "WARN: DBSIZE SCAN never performed yet",
        'Use "info keyspace 1" to count again',
        "Start async statistics",
        "two words",
        "",
    ],
)
def test_a_comment_does_not_start_a_section(comment: str) -> None:
    raw = f"# Before\r\na:1\r\n# {comment}\r\nb:2\r\n".encode()
    assert parse(raw).sections == {"Before": ("a", "b")}


def test_a_sections_name_may_have_several_words() -> None:
    info = parse(TEXTS["valkey-9.1.2-idle"])
    assert "engines_count" in info.sections["Scripting Engines"]
    assert info.sections["Modules"] == ("module",)
    assert "engine_0" in section_fields(info, ["scripting engines"])
    assert list(parse(b"# One two\na:1\n# Three Four: 5\nb:2\n").sections) == [""]


def test_section_names_match_in_any_case_and_fields_keep_the_replys_order() -> None:
    info = parse(TEXTS["valkey-8.1.8-primary-1"])
    assert section_fields(info, {"KEYSPACE", "cluster"}) == [
        "cluster_enabled",
        *info.sections["Keyspace"],
    ]
    assert section_fields(info, ["nothing"]) == []
    assert section_fields(info, []) == []


def test_replication_is_found_under_pikas_name_for_it() -> None:
    info = parse(handmade("pika-3.4"))
    expected = ["role", "connected_slaves", "slave0"]
    assert section_fields(info, ["replication"]) == expected
    assert section_fields(info, ["Replication(master)"]) == expected
    assert section_fields(info, ["Replication(SLAVE)"]) == []


def test_fields_of_the_same_name_in_two_sections_are_told_apart_by_section() -> None:
    info = parse(handmade("garnet-1.0"))
    assert info.fields["Log.TailAddress"] == [4128, 912]
    first = select_sections(info, ["store_db_0"])
    second = select_sections(info, ["Store_DB_1"])
    assert list(first) == list(second) == list(info.sections["Store_DB_1"])
    assert (first["Log.TailAddress"], second["Log.TailAddress"]) == (4128, 912)
    assert second["SystemState"] == {"state": "REST", "version": "2"}
    both = select_sections(info, ["Store_DB_1", "Store_DB_0"])
    assert both["Log.TailAddress"] == [4128, 912]
    assert select_sections(info, ["clients"]) == {"connected_clients": 2}


def test_fields_that_are_repeated_in_a_section_are_lists_there() -> None:
    raw = b"# A\na:1\na:2\n# B\na:3\n# a b\na:4\n# Modules\nmodule:name=x\n# A\nb:1\na:5\n"
    info = parse(raw)
    assert select_sections(info, ["a"]) == {"a": [1, 2, 5], "b": 1}
    assert select_sections(info, ["b"]) == {"a": [3, 4]}
    assert select_sections(info, ["modules"]) == {"module": [{"name": "x"}]}


# -- without a parse


@pytest.mark.parametrize("name", TEXTS)
def test_a_field_found_in_the_bytes_equals_the_parsed_one(name: str) -> None:
    raw = TEXTS[name]
    for _ in range(2):  # the second search starts near the first offset
        for line in raw.splitlines():
            field, colon, text = line.partition(b":")
            if colon and field and line.startswith((b"used_", b"run_id", b"role", b"loading")):
                assert find_field(raw, field) == text


def test_a_field_is_found_after_others_moved_it() -> None:
    short = b"# Server\r\nversion:1\r\nrole:master\r\n"
    long = b"# Server\r\nversion:1\r\n" + b"filler:1\r\n" * 500 + b"role:slave\r\n"
    for raw, role in [(short, b"master"), (long, b"slave"), (short, b"master"), (long, b"slave")]:
        assert find_field(raw, b"role") == role


@pytest.mark.parametrize("raw", [b"", b"xrole:1", b"a:role:1\nroles:2\n", b"role", b"#role:1"])
def test_an_absent_field_is_not_found(raw: bytes) -> None:
    assert find_field(raw, b"role") is None


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"# Server\r\n", b"# a:1\r\n:x\r\nwords\r\n", b"\x00"]
)
def test_a_reply_without_fields_is_recognised_without_a_parse(raw: bytes) -> None:
    assert not has_fields(raw)
    assert not parse(raw).fields


@pytest.mark.parametrize("raw", [b"a:", b"# Server\r\n:\r\na:1", *TEXTS.values()])
def test_a_reply_with_fields_is_recognised_without_a_parse(raw: bytes) -> None:
    assert has_fields(raw)


def test_an_infos_repr_is_short() -> None:
    assert repr(parse(b"# A\r\na:1\r\nbad")) == (
        "<Info: 1 fields in 1 sections, 1 bad lines, 13 bytes>"
    )


def test_shards_share_a_layout() -> None:
    assert parse(b"a:1\r\nb:2\r\n").layout is parse(b"a:3\r\nb:4\r\n").layout
    assert parse(b"a:1\r\nb:2\r\n").layout is not parse(b"b:2\r\na:1\r\n").layout


def test_a_layout_with_very_many_names_is_not_cached() -> None:
    raw = b"".join(b"errorstat_%d:count=1\n" % number for number in range(2000))
    assert parse(raw).layout == parse(raw).layout
    assert parse(raw).layout is not parse(raw).layout
