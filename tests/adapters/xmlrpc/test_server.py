"""XmlRpcServer as an object: its address, yielding to the event loop, and HTTP responses."""

from __future__ import annotations

import io
import socket
import xmlrpc.client
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gevent
import pytest

from zinfo import InfoProviderServicer, RedisShard, ShardPublisher
from zinfo.adapters.xmlrpc.server import XmlRpcServer
from zinfo.errors import EnvironmentNotReadyError, NotAllowedError
from zinfo.query.servicer import InfoQuery, LookupResult

SHARDS = 40


class RefusingServicer(InfoProviderServicer):
    """A servicer that raises a given error."""

    error: Exception

    def find(
        self,
        query: InfoQuery,
        now: float | None = None,
        yield_point: Callable[[], None] | None = None,
    ) -> Iterator[LookupResult]:
        raise self.error
        yield  # makes it a generator, like the real one


def publisher(fields: int = 10) -> ShardPublisher:
    made = ShardPublisher()
    for number in range(SHARDS):
        shard = RedisShard(f"s{number:02}", "redis://127.0.0.1:1")
        made.add_shard(shard)
        shard.info = {f"field_{index}": "x" * 100 for index in range(fields)}
    return made


@pytest.fixture
def servicer() -> InfoProviderServicer:
    return InfoProviderServicer(publisher())


@pytest.fixture
def server(servicer: InfoProviderServicer) -> Iterator[XmlRpcServer]:
    made = XmlRpcServer(servicer, "127.0.0.1", 0)
    yield made
    made.stop()


def ask(server: XmlRpcServer, *params: Any, method: str = "GetInfos") -> object:
    """Return the result of a call, without HTTP."""
    (value,), _ = xmlrpc.client.loads(b"".join(run(server, *params, method=method)))
    return value


def run(server: XmlRpcServer, *params: Any, method: str = "GetInfos") -> Iterable[bytes]:
    body = xmlrpc.client.dumps(params, method).encode()
    environ = {"PATH_INFO": "/", "REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body)}
    return server.application(environ, lambda status, headers, exc=None: lambda _data: None)


def test_a_response_yields_to_other_greenlets_between_entries(
    server: XmlRpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zinfo.loop.yielding.YIELD_INTERVAL", 0.0)  # a yield after each entry
    turns = 0

    def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.idle()  # one iteration of the event loop

    greenlet = gevent.spawn(others)
    infos = ask(server)
    greenlet.kill()
    assert isinstance(infos, list)
    assert len(infos) == SHARDS
    assert turns >= SHARDS


def test_a_short_response_has_a_length_and_a_long_one_is_chunked() -> None:
    server = XmlRpcServer(InfoProviderServicer(publisher(fields=300)), "127.0.0.1", 0)
    assert hasattr(run(server, ["s01"]), "__len__")  # pywsgi adds a Content-Length
    assert not hasattr(run(server), "__len__")
    infos = ask(server)
    assert isinstance(infos, list)
    assert [info["meta"]["shard_identifier"] for info in infos] == [
        f"s{number:02}" for number in range(SHARDS)
    ]
    server.stop()


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (KeyError("shard x not found"), 1, "shard x not found"),
        (KeyError(), 1, ""),
        (TypeError("no"), 2, "no"),
        (NotAllowedError("not yours"), 3, "not yours"),
        (RuntimeError("secret"), 3, "internal error; see the daemon's log"),
    ],
)
def test_each_kind_of_error_has_its_fault_code(error: Exception, code: int, text: str) -> None:
    servicer = RefusingServicer(ShardPublisher())
    servicer.error = error
    server = XmlRpcServer(servicer, "127.0.0.1", 0)
    with pytest.raises(xmlrpc.client.Fault) as caught:
        ask(server)
    server.stop()
    assert (caught.value.faultCode, caught.value.faultString) == (code, text)


def test_the_endpoint_has_the_actual_port(servicer: InfoProviderServicer) -> None:
    six = XmlRpcServer(servicer, "::1", 0)
    assert six.endpoint.startswith("http://[::1]:")
    six.stop()
    named = XmlRpcServer(servicer, "localhost", 0)
    assert named.endpoint.startswith("http://localhost:")
    assert not named.endpoint.endswith(":0/")
    named.stop()


def test_an_address_in_use_is_reported_in_one_line(servicer: InfoProviderServicer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EnvironmentNotReadyError) as caught:
            XmlRpcServer(servicer, "127.0.0.1", port)
    assert str(caught.value) == (
        f"XML-RPC server: cannot listen at 127.0.0.1:{port}: Address already in use"
    )


def test_an_unknown_host_is_reported_in_one_line(servicer: InfoProviderServicer) -> None:
    with pytest.raises(EnvironmentNotReadyError, match=r"cannot listen at nohost\.invalid:1: "):
        XmlRpcServer(servicer, "nohost.invalid", 1)
