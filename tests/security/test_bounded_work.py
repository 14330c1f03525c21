"""What one request costs is bounded: by the number of its items, and by turns of all others."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import gevent.event
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.daemons import RunningDaemon
from tests.examples import examples
from tests.promises import Promise
from tests.servers import RealServer
from zinfo import InfoProviderServicer, RedisShard, ShardPublisher
from zinfo.adapters.xmlrpc.codec import MAX_ELEMENTS, parse_call
from zinfo.errors import BadRequestError
from zinfo.health.stats import Stats
from zinfo.history.history import History
from zinfo.native.loader import native
from zinfo.query.call import QueryLimits
from zinfo.query.operations import Operations
from zinfo.security.rights import Rights
from zinfo.shards.events import EventLog
from zinfo.shards.prefix_set import PrefixSet
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.identity import Identity
from zinfo.wire.query_messages import MAGIC, Request, decode_request

SHARDS = 640
RAW = b"# Server\r\nredis_version:8.0\r\nrole:master\r\nused_memory:5\r\n"
"""INFO of each shard."""


class Polls:
    """Polls on demand that end at once."""

    def __init__(self) -> None:
        self.events = EventLog()
        self.revisions = 0

    def subscribe_snapshots(self, callback: object) -> None:
        """Poll nothing."""

    def refresh(self, shard_id: str, floor: float) -> gevent.event.Event:
        done = gevent.event.Event()
        done.set()
        return done


@pytest.fixture(scope="module")
def publisher() -> ShardPublisher:
    publisher = ShardPublisher()
    for number in range(SHARDS):
        shard = RedisShard(f"s{number}", "redis://127.0.0.1:1")
        shard.store(Snapshot(RAW, 7, 5.0, time.monotonic() - 60), ops=0)
        publisher.add_shard(shard)
    return publisher


@pytest.fixture(scope="module")
def operations(publisher: ShardPublisher) -> Operations:
    polls: Any = Polls()
    for number in range(SHARDS):
        polls.events.emit(f"s{number}", "down")
    return Operations(
        InfoProviderServicer(publisher),
        polls,
        stats=Stats(),
        identity=Identity("test"),
        limits=QueryLimits(),
        history=History(publisher, polls, 180, 5.0),
    )


@pytest.fixture
def yields(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how often others could have had their turn."""
    yields: list[int] = []
    counted = SimpleNamespace(maybe_yield=lambda: yields.append(1))
    for module in ("query.operations", "adapters.xmlrpc.server"):
        monkeypatch.setattr(f"zinfo.{module}.CooperativeYield", lambda low_priority: counted)
    return yields


EVERYWHERE = Rights("everywhere", shards=("s",))

NOTHING_FITS = {
    "no shard is young enough": Request("get_infos", {"max_age": 1}),
    "no shard has the label": Request("get_infos", {"labels": {"a": "b"}}),
    "no shard is polled": Request("get_infos", {"labels": {"a": "b"}, "refresh": True}),
    "no shard of the list": Request("shards", {"labels": {"a": "b"}}),
    "no shard of the columns": Request("get_columns", {"keys": ["a"], "labels": {"a": "b"}}),
    "no shard of the history": Request("history", {"labels": {"a": "b"}}),
    "no topic": Request("snapshot", {"topics": ["nothing"]}),
    "no event": Request("events", {"ids": ["s"]}),
    "totals": Request("stats"),
}


@pytest.mark.parametrize("name", NOTHING_FITS)
@pytest.mark.parametrize("rights", [None, EVERYWHERE], ids=["all rights", "some rights"])
def test_a_query_yields_while_no_shard_matches(
    operations: Operations, yields: list[int], name: str, rights: Rights | None
) -> None:
    result = operations.run(NOTHING_FITS[name], rights)
    body = msgpack.unpackb(result.body)
    assert body == [] or body.get("total", 0) == 0 or name == "totals"
    assert not isinstance(body, dict) or not body.get("ids")
    assert len(yields) >= SHARDS


def test_a_query_yields_while_no_fields_match(operations: Operations, yields: list[int]) -> None:
    result = operations.run(Request("get_infos", {"max_age": 1, "keys": ["role"]}))
    assert msgpack.unpackb(result.body) == []
    assert len(yields) >= SHARDS // 64  # natively so many shards are a tenth of a millisecond


def test_a_query_yields_while_all_shards_are_polled(
    operations: Operations, yields: list[int], promise: Promise
) -> None:
    result = operations.run(Request("get_infos", {"refresh": True, "limit": 1}))
    assert len(msgpack.unpackb(result.body)) == 1
    promise(
        f"get_infos with refresh of {SHARDS} shards",
        "yields at each shard, when polled and when waited for",
        f"{len(yields)} times",
    )
    assert len(yields) >= 2 * SHARDS


def test_an_xml_rpc_call_yields_while_no_shard_matches(
    publisher: ShardPublisher, yields: list[int]
) -> None:
    from zinfo.adapters.xmlrpc.server import XmlRpcServer

    xmlrpc_server = XmlRpcServer(InfoProviderServicer(publisher), "127.0.0.1", 0)
    try:
        pieces = b"".join(xmlrpc_server._get_infos([[], [], False, 1.0]))
    finally:
        xmlrpc_server.stop()
    assert b"<struct>" not in pieces
    assert len(yields) >= SHARDS


def numbered(count: int) -> list[str]:
    return [f"{number}" for number in range(count)]


TOO_MANY = {
    "shard_ids": Request("get_infos", {"shard_ids": numbered(10_001)}),
    "keys": Request("get_infos", {"keys": ["role"] * 1001}),
    "sections": Request("get_infos", {"sections": numbered(101)}),
    "labels": Request("get_infos", {"labels": dict.fromkeys(numbered(101), "x")}),
    "ids": Request("snapshot", {"ids": numbered(10_001)}),
    "topics": Request("snapshot", {"topics": numbered(1001)}),
}


@pytest.mark.parametrize("name", TOO_MANY)
def test_too_many_items_are_refused_with_an_error_that_names_the_limit(
    operations: Operations, name: str, promise: Promise
) -> None:
    request = TOO_MANY[name]
    value: Any = request.args[name]
    with pytest.raises(BadRequestError) as caught:
        operations.run(request)
    promise(f"{len(value):,} {name}", "bad_request that names the limit", caught.value.message)
    limit = f"{len(value) - 1:,}"
    assert caught.value.message == f"{name} may have {limit} items, found {len(value):,}"


def test_as_many_items_as_the_limit_are_accepted(operations: Operations) -> None:
    keys = ["role", *numbered(999)]
    for prefix_matching in (False, True):
        request = Request("get_infos", {"keys": keys, "prefix_matching": prefix_matching})
        (first, *_) = msgpack.unpackb(operations.run(request).body)
        assert {*first} == {"role", "meta"}
    repeated = Request("get_infos", {"keys": ["role"] * 1000})
    assert len(msgpack.unpackb(operations.run(repeated).body)) == SHARDS


@pytest.mark.parametrize(
    ("args", "quick"),
    [
        ({"shard_ids": ["s1", "s2", "s3", "s4"]}, True),
        ({"shard_ids": ["s1"], "keys": ["role"] * 16}, True),
        ({"shard_ids": ["s1"], "keys": ["role"] * 17}, False),
        ({"shard_ids": ["s1"], "labels": dict.fromkeys(numbered(17), "")}, False),
        ({"shard_ids": ["s1", "s2", "s3", "s4", "s5"]}, False),
        ({"shard_ids": ["large"]}, False),
        ({"shard_ids": [["not", "text"]]}, True),  # an error, at once
    ],
    ids=str,
)
def test_only_small_replies_are_made_without_a_yield(args: dict[str, object], quick: bool) -> None:
    publisher = ShardPublisher()
    for shard_id, size in (("s1", 1), ("s2", 1), ("large", 5000)):
        shard = RedisShard(shard_id, "redis://127.0.0.1:1")
        shard.store(Snapshot(RAW * size, 7, 5.0, time.monotonic()), ops=0)
        publisher.add_shard(shard)
    nothing: Any = SimpleNamespace(events=EventLog(), subscribe_snapshots=lambda _callback: None)
    operations = Operations(
        InfoProviderServicer(publisher),
        nothing,
        stats=Stats(),
        identity=Identity("test"),
        limits=QueryLimits(),
    )
    assert operations.is_quick(Request("get_infos", args)) is quick


@given(
    prefixes=st.lists(st.text("ab/", max_size=4)),
    texts=st.lists(st.text("ab/", max_size=6)),
)
def test_a_set_of_prefixes_matches_what_any_of_its_prefixes_matches(
    prefixes: list[str], texts: list[str]
) -> None:
    wanted = PrefixSet(prefixes)
    texts.sort()
    for text in texts:
        assert wanted.matches(text) is text.startswith(tuple(prefixes))
    assert wanted.select(texts) == [one for one in texts if one.startswith(tuple(prefixes))]


def request_with(value: bytes) -> list[bytes]:
    return [MAGIC, b"\x83\xa2id\x07\xa2op\xa4ping\xa4args\x81\xa1a" + value]


@pytest.mark.parametrize(
    "one", [b"\x90", b"\x80", b"\x91\x90", b"\x81\x01\x90", b"\x91" * 9 + b"\x90"], ids=repr
)
def test_a_request_of_very_many_arrays_and_maps_is_refused(one: bytes) -> None:
    number = 65000 // len(one)
    with pytest.raises(BadRequestError, match="more than 1,000 arrays and maps") as caught:
        decode_request(request_with(b"\xdc" + number.to_bytes(2, "big") + one * number))
    assert caught.value.request_id == 7


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats()
        | st.text(max_size=40)
        | st.binary(max_size=300)
        | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40)),
        lambda below: (
            st.lists(below, max_size=20) | st.dictionaries(st.text(max_size=20), below, max_size=20)
        ),
    )
)
@settings(max_examples=examples(50))
@pytest.mark.skipif(native is None, reason="the native part could not be compiled")
def test_arrays_and_maps_are_counted_before_they_are_decoded(value: object) -> None:
    def count(one: object) -> int:
        if isinstance(one, dict):
            return 1 + sum(map(count, one.values()))
        return 1 + sum(map(count, one)) if isinstance(one, list) else 0

    assert native is not None
    packed = msgpack.packb(value)
    assert native.count_containers(packed) == count(value)
    for end in range(len(packed)):
        assert native.count_containers(packed[:end]) <= count(value)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 255, 256, 65535, 65536])
@pytest.mark.skipif(native is None, reason="the native part could not be compiled")
def test_arrays_and_maps_after_long_values_are_counted(size: int) -> None:
    assert native is not None
    many: list[list[object]] = [[]] * size
    for value in ("x" * size, b"\x90" * size, msgpack.ExtType(1, b"\x90" * size), 1.5, -size):
        assert native.count_containers(msgpack.packb([value, {}, value, [], many])) == 4 + size


def test_a_request_of_some_arrays_and_many_values_is_accepted() -> None:
    values = b"\xdc\x80\x00" + b"\x90" * 900 + b"\x01" * (0x8000 - 900)
    assert decode_request(request_with(values)).op == "ping"


def call_with(elements: int) -> bytes:
    """Return an XML-RPC call with this number of elements, eight of them around the others."""
    around = ("methodCall", "params", "param", "value", "array", "data")
    values = "<value>s</value>" * (elements - len(around) - 1)
    return (
        "<methodCall><methodName>GetInfos</methodName><params><param><value><array><data>"
        f"{values}</data></array></value></param></params></methodCall>"
    ).encode()


def test_an_xml_rpc_call_of_very_many_elements_is_refused(promise: Promise) -> None:
    _, (ids,) = parse_call(call_with(MAX_ELEMENTS))
    assert isinstance(ids, list)
    assert len(call_with(MAX_ELEMENTS)) > 65536  # more than the limit of a request
    with pytest.raises(ValueError, match="more than 5,000 elements") as caught:
        parse_call(call_with(MAX_ELEMENTS + 1))
    promise("an XML-RPC call of 5,001 elements", "a fault", str(caught.value))


def test_hello_reports_the_limits_that_apply(promise: Promise) -> None:
    with RealServer() as server, RunningDaemon([server.url]) as daemon:
        daemon.wait_polled(1)
        hello: Any = daemon.ask("hello").body
        limits = hello["limits"]
        error = daemon.ask("get_infos", keys=numbered(limits["max_keys"] + 1)).error
        nested = daemon.ask("ping", a=[[]] * 2000).error
        columns = daemon.ask("get_columns", keys=numbered(limits["max_columns"] + 1)).error
        many = daemon.ask("get_infos", shard_ids=["a"] * (limits["max_ids"] + 1)).error
    promise("more keys and ids than the limits in hello", "bad_request", f"{error}; {many}")
    assert error is not None
    assert error.code == "bad_request"
    assert nested is not None
    assert nested.message == "more than 1,000 arrays and maps"
    assert columns is not None
    assert str(columns) == "keys may have 64 items, found 65"
    assert many is not None
    assert many.code == "bad_request"
