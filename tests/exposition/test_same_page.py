"""The native part writes the same page as Python, byte for byte."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.info_texts import TEXTS
from zinfo.metrics import native_plan, page, scrape
from zinfo.metrics.formats import TEXT
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.metrics.shard_metrics import add_shards
from zinfo.native.loader import native
from zinfo.security.rights import Rights
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot

pytestmark = pytest.mark.skipif(native is None, reason="zinfo was built without the native part")

SERVERS = [name for name in TEXTS if not name.startswith("handmade")]
NAMES = [
    *("maxclients", "max_clients", "max-clients", "role", "redis_version", "used_memory", "uptime"),
    *("uptime_in_seconds", "latest_fork_usec", "aof_last_write_status", "db0", "db1", "db7_x"),
    *("db_keys", "db_foo", "command_foo", "error_count", "errorstat_count", "errorstat_a:b"),
    *("cmdstat_get", "cmdstat_set", "cmdstat_a=b,c", 'cmdstat_"', "cmdstat_", "cmdstat_\xff"),
    *("latency_percentiles_usec_get", "latency_percentiles_usec_set", "slave0", "master_host"),
    *("master_port", "master_1_host", "master_link_status", "slave_repl_offset", "module"),
    *(
        "listener0",
        "listener1",
        "engine_0",
        "tls_ca_cert_serial",
        "a.b",
        "a_b",
        "a-b",
        "x_1",
        "x_2",
        "process_supervised",
        "hash_seeds",
        "os",
    ),
    *("mem_cluster_links", "io_thread_0", "server_mode", "redis_mode", "tcp_port", "é", "n" * 130),
    *("errorstat_" + "n" * 210, "errorstat_" + "n" * 300, "errorstat_" + "n" * 300 + "a"),
]
VALUES = [
    *("", "0", "1", "-1", "-0", "-0.0", "0.0", "1.50", "2.00", "0.0001", "0.00010", "0.00009"),
    *("1e+06", "1.5e+06", "1e-07", "123456789012345", "1234567890123456", "0.123456789012345"),
    *("99999999999999.9", "999999999999999", "9999999999999999", "18446744073709551615", "007"),
    *("123456789012345678901", "12345678901234.5678", " 1", "1 ", "nan", "-nan", "INF", "ok", "No"),
    *("slave", "master", "ok,ok", "1,2", "a,b", "a=1,b=2", "a=1,a=2", "calls=1", "calls=1,usec=2"),
    *("calls=1,usec=99,usec_per_call=1.5", "calls=1,usec=100", "calls=-1,usec=-2", "usec=nan"),
    *("calls=1, usec=2", "calls=1,usec=2,", "keys=1,expires=2,avg_ttl=-1", "keys=1,avg_ttl=1234"),
    *(
        "keys=5,subexpiry=1,keys_with_volatile_items=2",
        "p50=1.001,p99=2.5,p99.9=3",
        "p50=1,p50.0=1",
    ),
    *(
        "p99=1e+06",
        "count=1",
        "count=1,new_part=2",
        "x" * 300,
        'a"b\\c',
        "Linux 5 x86",
        "é",
        "\xff",
    ),
    *(
        "ip=10.0.0.1,port=1,state=online,offset=1,lag=0",
        "name=a,ver=1",
        "name=tcp,bind=*,port=1",
        "none",
        "12345.678",
        "0.5",
        "10",
    ),
]
SELECTIONS = [
    Selection(),
    Selection(include=("redis_c*", "redis_u*", "zinfo_*")),
    Selection(exclude=("redis_latency*", "redis_db_keys", "redis_commands_total")),
    Selection(exclude=("redis_[a-m]*",)),
]
HIDDEN = [
    *((), ("cmdstat_*",), ("cmdstat_g*", "role"), ("errorstat_*", "db0"), ("*version",)),
    *(("uptime_in_seconds", "run_id", "os"), ("latency_*", "a*", "master_host"), ("db*", "*_mode")),
]


_OTHER_HELP = re.compile(rb"# HELP redis_(a_b|max_clients) .*\n")
"""HELP of metrics that several of the `NAMES` may give: Python prefers that of an earlier field,
also if it has no sample."""


@contextlib.contextmanager
def in_python() -> Iterator[None]:
    """Have no scrape use the native part."""
    with (
        patch.object(scrape, "native_plan", lambda *_args: None),
        patch.object(page, "native", None),
    ):
        yield


def page_of(replies: Sequence[bytes], selection: Selection, rights: Rights) -> bytes:
    """Return the page of shards that have these replies."""
    made = Scrape(selection, rights=rights)
    shards = []
    for place, raw in enumerate(replies):
        shard = RedisShard(place, "redis://127.0.0.1:1", labels={"zone": f'"{place}'})
        shard.state = ShardState.UP
        shard.store(Snapshot(raw, 1, 1700000000.5, 1e9), 1e9)
        shards.append(shard)
    add_shards(made, selection, shards, rights, instance=True)
    cut = "".join(f"{name} {count}\n" for name, count in sorted(made.cut.items()))
    return _OTHER_HELP.sub(b"", b"".join(made.pieces(TEXT)) + cut.encode())


def assert_same(
    replies: Sequence[bytes],
    selection: Selection = SELECTIONS[0],
    hidden: tuple[str, ...] = (),
) -> None:
    """Check that both pages are equal, also if the plan knows all names already."""
    rights = Rights("client", hidden_fields=hidden)
    with in_python():
        expected = page_of(replies, selection, rights)
    native_plan.forget_plans()
    for _time in range(2):
        found = page_of(replies, selection, rights)
        assert found.splitlines() == expected.splitlines()
        assert found == expected


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """The INFO of a real server, some lines of which are missing, moved or others."""
    text = TEXTS[draw(st.sampled_from(SERVERS))].replace(b"\r\n", b"\n")
    lines = text.split(b"\n")
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(lines) - 1))
        name = draw(st.sampled_from(NAMES)).encode(
            "utf-8" if draw(st.booleans()) else "latin-1", "replace"
        )
        value = draw(st.sampled_from(VALUES)).encode("latin-1")
        match draw(st.integers(0, 4)):
            case 0:
                del lines[at]
                lines = lines or [b""]
            case 1:
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case 2:
                lines[at] = lines[at].partition(b":")[0] + b":" + value
            case _:
                lines.insert(at, name + b":" + value)
    return draw(st.sampled_from([b"\r\n", b"\n", b"\r\r\n"])).join(lines)


@settings(max_examples=examples(600))
@given(
    st.lists(replies(), min_size=1, max_size=3),
    st.sampled_from(SELECTIONS),
    st.sampled_from(HIDDEN),
)
def test_pages_are_equal(texts: list[bytes], selection: Selection, hidden: tuple[str, ...]) -> None:
    assert_same(texts, selection, hidden)


def test_stored_replies() -> None:
    assert_same(list(TEXTS.values()))
    for hidden in HIDDEN:
        assert_same(
            [TEXTS["redis-7.0.15-primary-3"], TEXTS["keydb-6.3.4-multimaster"]], hidden=hidden
        )


lines = st.builds(
    lambda name, value: f"{name}:{value}", st.sampled_from(NAMES), st.sampled_from(VALUES)
)


@settings(max_examples=examples(600))
@given(
    st.lists(st.lists(lines, max_size=12), min_size=1, max_size=3),
    st.sampled_from(SELECTIONS),
    st.sampled_from(HIDDEN),
    st.sampled_from([4, 8, 20, 5000]),
)
def test_pages_of_odd_lines_are_equal(
    texts: list[list[str]], selection: Selection, hidden: tuple[str, ...], most: int
) -> None:
    selection = Selection(selection.include, selection.exclude, max_samples=most)
    assert_same(["\r\n".join(text).encode("latin-1") for text in texts], selection, hidden)


NUMBERS = [
    *VALUES,
    *(
        str(number)
        for number in (*range(100), 100, 101, 110, 999, 1000, 10**15 - 1, 10**15, 2**53 + 1)
    ),
    *(
        "0.1",
        "0.10",
        "0.00012",
        "0.0000",
        "-0.00001",
        "-1.50",
        "9.99999999999999",
        "5e-324",
        "1e22",
    ),
]


def test_each_form_of_a_number() -> None:
    replies = [
        f"used_memory:{text}\r\nlatest_fork_usec:{text}\r\ncmdstat_get:calls={text},usec={text}\r\n"
        f"latency_percentiles_usec_get:p50={text}\r\ndb0:keys={text},avg_ttl={text}\r\n"
        f"tcp_port:{text}\r\nuptime_in_seconds:{text}\r\naof_last_write_status:{text}\r\n"
        for text in NUMBERS
    ]
    assert_same([text.encode("latin-1") for text in replies])


CONFLICTS = [
    "max_clients:5\r\nmaxclients:6",  # fields of one metric
    "maxclients:6\r\nmax_clients:5",
    "used_memory:1\r\nused_memory:2",  # a repeated field
    "cmdstat_get:calls=1\r\ncmdstat_get:calls=2",
    "command_foo:1\r\ncmdstat_get:foo=2",  # a field and a part of a map
    "latency_percentiles_usec_get:p50=1\r\ncmdstat_get:calls=1,usec=2",  # totals come later
    "cmdstat_get:calls=x,usec=2\r\nlatency_percentiles_usec_get:p50=1",  # Python reads totals
    "db0:subexpiry=1,keys_with_volatile_items=2",  # equal labels
    "role:slave\r\nmaster_host:h\r\nmaster_port:1\r\nmaster_link_status:up",
]


def test_fields_that_depend_on_others() -> None:
    for text in CONFLICTS:
        assert_same([text.encode()])
        assert_same([text.encode()], hidden=("cmdstat_g*", "maxclients"))


def test_names_and_lines_without_end_yield_to_the_event_loop() -> None:
    yields: list[int] = []
    made = Scrape(Selection(), lambda: yields.append(1))
    shard = RedisShard(0, "redis://127.0.0.1:1")
    shard.state = ShardState.UP
    text = "".join(f"new_name_{n}:1\r\nmodule:name=m{n},ver=1\r\n" for n in range(1500))
    shard.store(Snapshot(text.encode(), 1, 1000.0, 1e9), 1e9)
    native_plan.forget_plans()
    add_shards(made, Selection(), [shard], Rights("client"), instance=False)
    assert len(yields) >= 30
    assert b"".join(made.pieces(TEXT)).count(b"redis_module_info{") == 1500


def test_a_run_of_replies_of_all_sizes() -> None:
    small = TEXTS["redis-7.0.15-primary-3"]
    large = b"".join(b"cmdstat_c%d:calls=%d\r\n" % (n, n) for n in range(3000))
    too_large = small + b"# " + bytes(128 << 10) + b"\r\n"
    assert_same([small] * 40 + [large, large, too_large, b"", b"a:1", large, small] + [large] * 3)


def test_a_map_that_python_writes_has_the_labels_of_its_shard() -> None:
    odd = b'cmdstat_":calls=1\r\n' + b"".join(
        b"errorstat_%s%d:count=1\r\n" % (b"n" * 300, n) for n in range(2)
    )
    plain = b"used_memory:1\r\n"
    assert_same([plain, odd, odd, plain, odd, b"role:master\r\nbad line\r\n", odd])


def test_a_head_stands_once_wherever_a_piece_ends() -> None:
    assert native is not None
    lines = native.Lines()
    lines.start_shard(b'shard="a"')
    for number in range(2):
        lines.add_sample(number, b"", "1")
    parts = ((b"# head\n", 0, b"first"), (b"# other\n", 1, b"second"))
    whole, *_end = lines.piece(parts, 0, 0, 0, 1 << 10)
    for room in range(1, len(whole)):
        text, index, at, shard = b"", 0, 0, 0
        while index < len(parts):
            piece, index, at, shard = lines.piece(parts, index, at, shard, room)
            text += piece
        assert text == whole


def test_a_page_uses_the_memory_of_one_that_is_gone() -> None:
    first, second = (b"used_memory:%d\r\ncmdstat_get:calls=1\r\n" % n for n in range(2))
    assert_same([first, second])  # frees two pages
    (spare,) = page._spare
    with in_python():
        expected = page_of([second], SELECTIONS[0], Rights("client"))
    assert page_of([second], SELECTIONS[0], Rights("client")) == expected
    assert page._spare == [spare]
    made = page.Page(page.Numbers(SELECTIONS[0]))
    assert made.native is spare
    assert not made.size()
    assert page.Page(page.Numbers(SELECTIONS[0])).native is not spare
