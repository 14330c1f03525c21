"""A client that floods the daemon with requests does not delay other clients."""

from __future__ import annotations

import contextlib
import threading
import time
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
MAX_DELAY = 0.5  # seconds; far above a normal reply, far below a starved one


@pytest.fixture
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    """A daemon with many shards, all of one server."""
    shards = "".join(f'[[shards]]\nid = "s{n}"\nurl = "{server.url}"\n' for n in range(SHARDS))
    with RunningDaemon(config_text=shards) as daemon:
        daemon.wait_polled(SHARDS)
        yield daemon


class Flood:
    """One connection with many requests in flight, which counts its replies."""

    def __init__(self, endpoint: str, request: Request, in_flight: int) -> None:
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


def times_of(client: Client, count: int) -> list[float]:
    """Return the sorted durations of some requests about one shard."""
    times = []
    for number in range(count):
        begun = time.monotonic()
        client.get_infos([f"s{number % SHARDS}"], ["role"])
        times.append(time.monotonic() - begun)
    return sorted(times)


@pytest.mark.parametrize(
    ("request_", "in_flight"),
    [
        pytest.param(Request("ping"), 500, id="pings"),
        pytest.param(Request("get_infos", {"shard_ids": ["s1"]}), 500, id="whole shards"),
        pytest.param(Request("get_infos"), 500, id="all shards whole"),
        pytest.param(Request("no such operation"), 500, id="nonsense"),
    ],
)
def test_a_flood_of_one_client_does_not_delay_replies_to_others(
    daemon: RunningDaemon, request_: Request, in_flight: int, promise: Promise
) -> None:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(daemon.query, timeout=5, retries=0))
        times_of(client, 20)
        flood = stack.enter_context(Flood(daemon.query, request_, in_flight))
        wait_until(lambda: flood.replies.total() > 100, what="the flood")
        times = times_of(client, 100)
        replies = dict(flood.replies)
    middle, slowest = times[50], times[-1]
    promise(
        f"{in_flight} in flight of one client: {request_.op} {request_.args or ''}",
        f"others get replies within {MAX_DELAY} s",
        f"median {1000 * middle:.1f}, slowest {1000 * slowest:.0f} ms; it got {replies}",
    )
    assert slowest < MAX_DELAY


def test_a_client_above_its_share_gets_busy_and_others_do_not(
    daemon: RunningDaemon, server: RealServer, promise: Promise
) -> None:
    waiting = Request("get_infos", {"refresh": True, "shard_ids": ["s1"]})
    server.suspend()
    try:
        with (
            Flood(daemon.query, waiting, 300) as flood,
            Client(daemon.query, timeout=5, retries=0) as client,
        ):
            wait_until(lambda: flood.replies["busy"] >= 250, what="busy")
            infos = client.get_infos(keys=["role"])
            got = dict(flood.replies)
    finally:
        server.resume()
    promise("300 slow requests of one client", "busy above 50; others served", str(got))
    assert len(infos) == SHARDS
