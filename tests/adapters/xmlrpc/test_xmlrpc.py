"""The XML-RPC server of a real daemon, through the standard library's client."""

from __future__ import annotations

import http.client
import socket
import time
import xmlrpc.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import redis
import zmq

from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.wire.bus_messages import topic, unpack_header

MANY = 300  # shards of the slow query: INFO of one server under many ids
HEARTBEAT = 0.01  # seconds
QUICK = {"ZINFO_BUS_HEARTBEAT": str(HEARTBEAT)}


@pytest.fixture(scope="module")
def real() -> Iterator[RealServer]:
    with RealServer() as server:
        client = server.client()
        client.set("a", 1)
        client.config_set("maxmemory", 5 << 30)
        # Redis writes the name of an error unescaped into a field name of INFO.
        with pytest.raises(redis.ResponseError):
            client.eval("return redis.error_reply('\\1EVIL <&> x')", 0)
        yield server


@pytest.fixture(scope="module")
def daemon(real: RealServer) -> Iterator[RunningDaemon]:
    with RunningDaemon([real.url, "redis://127.0.0.1:1"], xmlrpc=True) as running:
        running.wait_polled(1)
        yield running


@pytest.fixture
def proxy(daemon: RunningDaemon) -> Iterator[xmlrpc.client.ServerProxy]:
    with xmlrpc.client.ServerProxy(daemon.xmlrpc) as proxy:
        yield proxy


def infos(proxy: Any, *params: object) -> list[dict[str, Any]]:
    answer = proxy.GetInfos(*params)
    assert isinstance(answer, list)
    return answer


def fault(proxy: Any, *params: object) -> tuple[int, str]:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        proxy.GetInfos(*params)
    return caught.value.faultCode, caught.value.faultString


def same_revision(
    proxy: xmlrpc.client.ServerProxy, daemon: RunningDaemon
) -> tuple[dict[str, object], dict[str, object]]:
    """Return INFO of one shard from both endpoints, from the same poll."""

    def both() -> tuple[dict[str, object], dict[str, object]] | None:
        (by_xml,) = infos(proxy)
        body = daemon.ask("get_infos").body
        assert isinstance(body, list)
        (by_zmq,) = body
        same = by_xml.pop("meta")["revision"] == by_zmq.pop("meta")["revision"]
        return (by_xml, by_zmq) if same else None

    found = wait_until(both, what="two answers of one poll")
    assert found is not None
    return found


def test_the_result_equals_that_of_the_query_endpoint(
    proxy: xmlrpc.client.ServerProxy, daemon: RunningDaemon
) -> None:
    by_xml, by_zmq = same_revision(proxy, daemon)
    assert by_xml == {name.replace("\1", "\ufffd"): value for name, value in by_zmq.items()}
    assert len(by_xml) > 100


def test_integers_beyond_32_bits_and_maps_are_transferred(proxy: xmlrpc.client.ServerProxy) -> None:
    (info,) = infos(proxy, [], ["maxmemory", "db0"])
    assert info["maxmemory"] == 5 << 30
    assert isinstance(info["db0"], dict)
    assert info["db0"]["keys"] == 1


def test_control_characters_of_a_server_do_not_break_the_client(
    proxy: xmlrpc.client.ServerProxy,
) -> None:
    (info,) = infos(proxy, [], ["errorstat_"], False, 0.0, True)
    assert "errorstat_\ufffdEVIL" in info


def test_positional_and_keyword_arguments_are_equivalent(
    proxy: xmlrpc.client.ServerProxy, real: RealServer
) -> None:
    ident = real.ident
    for params in (
        ([ident], ["role", "used_memory"]),
        ([ident], {"keys": ["role", "used_memory"]}),
        ({"shard_ids": [ident], "keys": ["role", "used_memory"]},),
        ({"key_patterns": ["role", "used_memory"]},),
        ([ident], ["role", "used_memory"], False, 60.0, False),
        ([ident], ["role", "used_memory"], {"allow_partial": True, "max_age": 60}),
        ([], ["role", "used_memory_"], False, 0, False, {"key_patterns": None})[:2],
    ):
        (info,) = infos(proxy, *params)
        assert info["role"] == "master", params
        assert info.keys() <= {"role", "used_memory", "meta"}, params
        assert info["meta"]["shard_identifier"] == ident


def test_prefixes_match_several_keys(proxy: xmlrpc.client.ServerProxy) -> None:
    (info,) = infos(proxy, {"keys": ["used_memory"], "prefix_matching": True})
    assert {"used_memory", "used_memory_rss", "used_memory_peak"} <= info.keys()
    assert all(name == "meta" or name.startswith("used_memory") for name in info)


def test_meta_has_the_labels_on_request(proxy: xmlrpc.client.ServerProxy) -> None:
    (info,) = infos(proxy, {"keys": ["role"], "with_labels": True})
    assert info["meta"]["labels"] == {}


def test_info_older_than_max_age_is_skipped(proxy: xmlrpc.client.ServerProxy) -> None:
    assert infos(proxy, [], [], False, 1e-9) == []


def test_a_partial_entry_has_the_error(proxy: xmlrpc.client.ServerProxy, real: RealServer) -> None:
    good, unknown, never = infos(proxy, [real.ident, "x", "127.0.0.1:1"], ["role"], True)
    assert good["role"] == "master"
    assert unknown["meta"] == {
        "shard_identifier": "x",
        "id": "x",
        "info_age": 1e38,
        "error": "shard x not found",
    }
    assert never["meta"]["error"] == "info for shard 127.0.0.1:1 not available"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ((["x"],), (1, "shard x not found")),
        ((["127.0.0.1:1"],), (1, "info for shard 127.0.0.1:1 not available")),
        (
            ([], ["a"], {"key_patterns": ["b"]}),
            (2, "key_patterns is an alias of keys: give one of them"),
        ),
        (([], {"kies": ["b"]}), (2, "got an unexpected keyword argument 'kies'")),
        (([], [], {"keys": ["b"]}), (2, "multiple values for argument 'keys'")),
        (([], [], False, 0.0, False, 1), (2, "too many positional arguments")),
        ((1,), (2, "shard_ids must be a list of texts")),
        (([], [], "yes"), (2, "allow_partial must be true or false")),
        (([], [], True, "soon"), (2, "max_age must be a number of seconds")),
    ],
)
def test_wrong_calls_are_faults_with_the_reason(
    proxy: xmlrpc.client.ServerProxy, params: tuple[object, ...], expected: tuple[int, str]
) -> None:
    assert fault(proxy, *params) == expected


def test_introspection_methods_describe_the_server(proxy: Any) -> None:
    methods = proxy.system.listMethods()
    assert isinstance(methods, list)
    assert methods[0] == "GetInfos"
    assert "key_patterns: deprecated alias" in str(proxy.system.methodHelp("GetInfos"))
    assert ["array", "array", "array", "struct"] in proxy.system.methodSignature("GetInfos")
    for method in methods:
        assert proxy.system.methodSignature(method)
        assert isinstance(proxy.system.methodHelp(method), str)
    for wrong in (proxy.nothing, proxy.system.methodHelp, proxy.system.multicall):
        with pytest.raises(xmlrpc.client.Fault) as caught:
            wrong()
        assert caught.value.faultCode == 2


# --- HTTP ---


@pytest.fixture
def connection(daemon: RunningDaemon) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection(urlsplit(daemon.xmlrpc).netloc, timeout=60)
    yield made
    made.close()


CALL = xmlrpc.client.dumps(([], ["role"]), "GetInfos").encode()


@pytest.mark.parametrize("path", ["/", "/RPC2"])
def test_responses_have_a_length_and_connections_stay_open(
    connection: http.client.HTTPConnection, path: str
) -> None:
    for _ in range(2):
        connection.request("POST", path, CALL)
        reply = connection.getresponse()
        body = reply.read()
        assert reply.status == 200
        assert reply.headers["Content-Length"] == str(len(body))
        assert reply.headers["Content-Type"] == "text/xml; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/other", CALL, {}, 404),
        ("GET", "/", None, {}, 405),
        ("POST", "/", b" " * 65537, {}, 400),
        ("POST", "/", None, {"Content-Length": "99999999999"}, 400),
        ("GET", "/", None, {"Content-Length": "99999999999"}, 400),
        ("POST", "/", None, {"Content-Length": "many"}, 400),
        ("POST", "/", b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}, 400),
    ],
)
def test_other_requests_are_rejected(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
) -> None:
    connection.request(method, path, body, headers)
    assert connection.getresponse().status == status


def test_a_call_of_64_kib_is_accepted(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/", CALL.ljust(65536))
    reply = connection.getresponse()
    assert b"master" in reply.read()


def test_a_malformed_call_is_a_fault(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/", b"\0hello")
    with pytest.raises(xmlrpc.client.Fault, match="Fault 2: 'not an XML-RPC call"):
        xmlrpc.client.loads(connection.getresponse().read())


def test_misbehaving_peers_leave_no_log_lines(
    daemon: RunningDaemon, proxy: xmlrpc.client.ServerProxy
) -> None:
    address = urlsplit(daemon.xmlrpc)
    assert address.hostname
    assert address.port
    for sent in (b"\0\1\2\3\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", b"GET /"):
        with socket.create_connection((address.hostname, address.port)) as raw:
            raw.sendall(sent)
    assert infos(proxy)
    assert "Traceback" not in daemon.log()


# --- effects on other work ---


def test_heartbeats_are_sent_during_a_long_response(real: RealServer) -> None:
    tables = "\n".join(f'[[shards]]\nid = "s{n}"\nurl = "{real.url}"' for n in range(MANY))
    with RunningDaemon(config_text=tables, xmlrpc=True, environ=QUICK) as daemon:
        daemon.wait_polled(MANY, timeout=60)
        with zmq.Context() as context, context.socket(zmq.SUB) as beats:
            beats.subscribe(topic("hb"))
            beats.connect(daemon.bus)
            assert beats.poll(60_000)
            # Not through the client, whose parser is slower than the daemon.
            with urlopen(daemon.xmlrpc, b"<a><methodName>GetInfos</methodName></a>") as answer:
                begun = time.time()  # the daemon is sending
                assert answer.read().count(b"shard_identifier") == MANY
                ended = time.time()
            meanwhile, last = 0, 0.0
            while last <= ended:
                assert beats.poll(60_000)
                last = unpack_header(beats.recv_multipart()[1]).time
                meanwhile += begun < last < ended
            assert meanwhile >= 6  # two or three where the response waits for its reader


def test_an_open_connection_does_not_prevent_shutdown(real: RealServer) -> None:
    with (
        RunningDaemon([real.url], xmlrpc=True) as daemon,
        xmlrpc.client.ServerProxy(daemon.xmlrpc) as proxy,
    ):
        proxy.GetInfos()  # the client keeps its connection open
        assert daemon.terminate() == 0
