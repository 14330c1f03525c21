"""Replicas, primaries, distributions, threads and certificates: native pages equal Python's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.exposition.test_same_page import HIDDEN, SELECTIONS, assert_same, page_of
from tests.info_texts import TEXTS
from zinfo.metrics import native_plan
from zinfo.metrics.native_writer import NativeWriter
from zinfo.metrics.selection import Selection
from zinfo.metrics.writer import Writer
from zinfo.native.loader import native
from zinfo.security.rights import Rights

pytestmark = pytest.mark.skipif(native is None, reason="zinfo was built without the native part")

_NUMBERS = ["5", "-1", "0", "007", "1.50", "nan", "Inf", "yes", "yEs", "x", "", "1,2", "a=1"]
_BINS = [
    *("1=2", "1=1,2=3,4K=5", "2M=1", "1=2,1=3", "1=x", "=1", "1=", "a=1", "1=2,", "1=2, 4=1", "1"),
]
_VALUES: Mapping[str, list[str]] = {
    "role": ["slave", "slave", "master", "Slave", "ok", "5"],
    "master_host": ["10.0.0.1", "::1", "", "h o", 'a"', "é", "5", "x" * 260, "a,b"],
    "master_port": ["6379", "06379", "", "x", "5.50"],
    "master_link_status": ["up", "down", "UP", "", "5", "up,down"],
    "master_last_io_seconds_ago": _NUMBERS,
    "master_sync_in_progress": _NUMBERS,
    "master_link_down_since_seconds": _NUMBERS,
    "slave_repl_offset": _NUMBERS,
    "slave_read_repl_offset": _NUMBERS,
    "slave_read_only": ["1", "0", "1.50", "yes", "", "x y", "1,0"],
    "master_1_host": ["10.0.0.2"],
    "master_1_port": ["6379"],
    "master_1_link_status": ["up", "down"],
    "dragonfly_version": ["1.0"],
    "pika_version": ["4.0"],
    "io_thread_0": ["clients=1,reads=2,writes=3", "clients=1", "x=1,a/b=2", "1", "clients=x"],
    "io_thread_1": ["clients=4,reads=5,writes=6", "clients=1,clients=2", "reads=nan"],
    "used_active_time_io_thread_1": ["0.000012", *_NUMBERS],
    "used_active_time_io_thread_22": _NUMBERS,
    "tls_ca_cert_serial": ["none", "0A", "5", ""],
    "tls_ca_cert_expires_in_seconds": _NUMBERS,
    "tls_odd_cert_expires_in_seconds": ["5"],
    "db0": ["keys=1,expires=2", "keys=1,distrib_lists_items=3"],
    "db_distrib_lists_items": _NUMBERS,
    "db-distrib_lists_items": ["5", "a=1"],
    "db_distrib_lists_items_3": ["a=1", "5"],
    "cluster_state": ["ok", "fail", "OK", "Ok", "oK", "nan", "-NAN", "-inf"],
    "max_clients": ["ok", "no"],  # has the name of another field's metric
    "process_supervised": ["no"],
    **dict.fromkeys(
        ("db0_distrib_lists_items", "db1_distrib_lists_items", "db0_distrib_sets_items"), _BINS
    ),
    **{
        f"slave{number}": [
            f"ip=10.0.0.{number},port=1,state=online,offset=5,lag=0",
            f"ip=10.0.0.{number},port=1,state=online,offset=5,lag=1,type=rdb-channel",
            "port=1,ip=10.0.0.9,lag=-1,state=send_bulk,offset=7",
            "ip=10.0.0.9,port=1,state=send_bulk,offset=6,lag=2",
            "ip=10.0.0.9,port=01,state=online,offset=nan,lag=1",
            "ip=10.0.0.9,port=1,state=online,lag=1",
            "ip=10.0.0.9,port=1,state=,offset=1,lag=1",
            "ip=10.0.0.9,port=1,state=online,offset=1,lag=1,sid=2",
            "ip=10.0.0.9,port=1, state=online,offset=1,lag=1",
            "ip=10.0.0.9,ip=10.0.0.8,port=1,state=online,offset=1,lag=1",
            "10.168.1.213,23220,online",
        ]
        for number in range(3)
    },
}
_LINES = [f"{name}:{value}".encode() for name, values in _VALUES.items() for value in values]


@settings(max_examples=examples(600))
@given(
    st.lists(st.lists(st.sampled_from(_LINES), max_size=9), min_size=1, max_size=2),
    st.sampled_from([*SELECTIONS, Selection(include=("redis_db_*", "redis_*slave*"))]),
    st.sampled_from([*HIDDEN, ("role", "pika_version", "tls_ca_cert_serial", "slave_read_only")]),
)
def test_pages_are_equal(
    texts: list[list[bytes]], selection: Selection, hidden: tuple[str, ...]
) -> None:
    assert_same([b"\r\n".join(text) for text in texts], selection, hidden)


def test_each_line_alone_and_beside_a_replica() -> None:
    replica = b"role:slave\r\nmaster_host:h\r\nmaster_port:1\r\n"
    first = b"slave0:ip=10.0.0.9,port=1,state=send_bulk,offset=6,lag=2\r\n"
    assert_same([before + line for line in _LINES for before in (b"", replica, first)])


def test_many_replicas_bins_and_primaries() -> None:
    replicas = "\r\n".join(
        f"slave{number}:ip=10.0.0.1,port={number},state=online,offset=5,lag=0"
        for number in range(70)
    )
    bins = "db0_distrib_lists_items:" + ",".join(f"{number}=1" for number in range(70))
    primaries = "\r\n".join(f"master_{number}_host:h{number}" for number in range(40))
    assert_same([text.encode() for text in (replicas, bins, primaries)])


PLAIN = [
    f"{server}-{role}"
    for server, roles in {
        "redis-4.0.14": ("loaded", "primary", "replica", "cluster"),
        "redis-6.2.14": ("primary-3", "replica", "cluster"),
        "redis-7.0.15": ("primary-3", "replica", "cluster"),
        "redis-7.4.1-stack": ("loaded", "primary", "replica"),
        "redis-8.2.3": ("loaded", "primary", "replica", "cluster"),
        "valkey-8.1.8": ("primary-3", "replica", "cluster"),
        "valkey-9.1.2": ("loaded", "primary-3", "replica", "cluster"),
        "keydb-6.3.4": ("loaded", "primary", "replica", "cluster"),
    }.items()
    for role in roles
]


def test_servers_of_redis_valkey_and_keydb_leave_nothing_to_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_args: object) -> None:
        raise AssertionError("a reply is left to Python")

    native_plan.forget_plans()
    monkeypatch.setattr(NativeWriter, "_write_left", fail)
    monkeypatch.setattr(Writer, "write", fail)
    for name in PLAIN:
        assert page_of([TEXTS[name]], Selection(), Rights("client"))
