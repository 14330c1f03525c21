"""A client that floods the daemon with requests does not delay other clients."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
import zmq

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.wire.query_messages import Request, decode_reply_header, encode_request

SHARDS = 100
IN_FLIGHT = 500


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """The server behind all shards."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    """A daemon with many shards, all of one server."""
    shards = "".join(f'[[shards]]\nid = "s{n}"\nurl = "{server.url}"\n' for n in range(SHARDS))
    with RunningDaemon(config_text=shards) as daemon:
        daemon.wait_polled(SHARDS, 60)
        yield daemon


class Flood:
    """One connection with many requests in flight, which counts its replies."""

    def __init__(self, endpoint: str, request: Request, in_flight: int = IN_FLIGHT) -> None:
        self.replies: Counter[str] = Counter()
        self._frames = [b"", *encode_request(request)]
        self._endpoint, self._in_flight = endpoint, in_flight
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(self._endpoint)
            for _ in range(self._in_flight):
                socket.send_multipart(self._frames)
            while not self._stop.is_set():
                if socket.poll(100):
                    # Not the body: decoding it would delay the client in the main thread.
                    reply = decode_reply_header(socket.recv_multipart()[1:])
                    self.replies[reply.error.code if reply.error else "ok"] += 1
                    socket.send_multipart(self._frames)

    def __enter__(self) -> Flood:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()


def replies_during(flood: Flood, client: Client, count: int) -> list[int]:
    """Return how many replies the flood gets during each of some requests about one shard."""
    replies = []
    for number in range(count):
        before = flood.replies.total()
        client.get_infos([f"s{number % SHARDS}"], ["role"])
        replies.append(flood.replies.total() - before)
    return replies


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request("ping"), id="pings"),
        pytest.param(Request("get_infos", {"shard_ids": ["s1"]}), id="whole shards"),
        pytest.param(Request("get_infos"), id="all shards whole"),
        pytest.param(Request("no such operation"), id="nonsense"),
    ],
)
def test_requests_of_others_do_not_wait_for_those_of_a_flood(
    daemon: RunningDaemon, request_: Request, promise: Promise
) -> None:
    """Another client's request is served before those that the flood has sent earlier."""
    with (
        Client(daemon.query, timeout=60, retries=0) as client,
        Flood(daemon.query, request_) as flood,
    ):
        wait_until(lambda: flood.replies.total() > 100, what="the flood")
        counts = sorted(replies_during(flood, client, 40))
        replies = dict(flood.replies)
    # A quarter, as this process may not run while the flood gets its replies.
    quarter, most = counts[len(counts) // 4], counts[-1]
    promise(
        f"{IN_FLIGHT} in flight of one client: {request_.op} {request_.args or ''}",
        "requests of others do not wait for them",
        f"{quarter} served before another's request, {most} at most; it got {replies}",
    )
    assert quarter < IN_FLIGHT / 10


def test_a_client_above_its_share_gets_busy_and_others_do_not(
    daemon: RunningDaemon, server: RealServer, promise: Promise
) -> None:
    waiting = Request("get_infos", {"refresh": True, "shard_ids": ["s1"]})
    server.suspend()
    try:
        with (
            Flood(daemon.query, waiting, 300) as flood,
            Client(daemon.query, timeout=60, retries=0) as client,
        ):
            wait_until(lambda: flood.replies["busy"] >= 250, 60, "busy")
            infos = client.get_infos(keys=["role"])
            got = dict(flood.replies)
    finally:
        server.resume()
    promise("300 slow requests of one client", "busy above 50; others served", str(got))
    assert len(infos) == SHARDS
