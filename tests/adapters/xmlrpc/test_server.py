"""The door as an object: where it listens, how it shares the event loop, how it answers HTTP."""

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
    """Raises what it is told to."""

    error: Exception

    def find(
        self,
        query: InfoQuery,
        now: float | None = None,
        yield_point: Callable[[], None] | None = None,
    ) -> Iterator[LookupResult]:
        raise self.error
        yield  # makes it a generator, as the real one is


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
def door(servicer: InfoProviderServicer) -> Iterator[XmlRpcServer]:
    made = XmlRpcServer(servicer, "127.0.0.1", 0)
    yield made
    made.stop()


def ask(door: XmlRpcServer, *params: Any, method: str = "GetInfos") -> object:
    """What the door answers, without HTTP between."""
    (value,), _ = xmlrpc.client.loads(b"".join(run(door, *params, method=method)))
    return value


def run(door: XmlRpcServer, *params: Any, method: str = "GetInfos") -> Iterable[bytes]:
    body = xmlrpc.client.dumps(params, method).encode()
    environ = {"PATH_INFO": "/", "REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body)}
    return door.application(environ, lambda status, headers, exc=None: lambda _data: None)


def test_a_response_yields_to_other_greenlets_between_entries(
    door: XmlRpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zinfo.loop.yielding.YIELD_INTERVAL", 0.0)  # a pause after each entry
    turns = 0

    def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.idle()  # so that the loop comes round for each

    greenlet = gevent.spawn(others)
    infos = ask(door)
    greenlet.kill()
    assert isinstance(infos, list)
    assert len(infos) == SHARDS
    assert turns >= SHARDS


def test_a_short_response_has_a_length_and_a_long_one_is_chunked() -> None:
    door = XmlRpcServer(InfoProviderServicer(publisher(fields=300)), "127.0.0.1", 0)
    assert hasattr(run(door, ["s01"]), "__len__")  # pywsgi gives it a Content-Length
    assert not hasattr(run(door), "__len__")
    infos = ask(door)
    assert isinstance(infos, list)
    assert [info["meta"]["shard_identifier"] for info in infos] == [
        f"s{number:02}" for number in range(SHARDS)
    ]
    door.stop()


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
    door = XmlRpcServer(servicer, "127.0.0.1", 0)
    with pytest.raises(xmlrpc.client.Fault) as caught:
        ask(door)
    door.stop()
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
