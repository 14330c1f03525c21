"""Attempts of a client with few rights to receive what other clients subscribed."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from tests.daemons import RunningDaemon, set_curve_keys
from tests.promises import Promise
from tests.security.keyring import ADMIN, Keyring, subscribed
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.wire.curve_keys import ClientKeys

CLIENTS = '[clients.admin]\n[clients.cache]\nshards = ["cache-"]\n'
ROUNDS = 30


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys of the clients, one of which has no table."""
    return Keyring(tmp_path_factory.mktemp("attacks") / "keys", "cache", "unnamed")


@pytest.fixture(scope="module")
def daemon(ring: Keyring) -> Iterator[RunningDaemon]:
    """A daemon with one shard that the client can see, and one that it cannot."""
    with RealServer() as server:
        shards = [("cache-1", server.url), ("secret-1", server.url)]
        with ring.daemon(shards, CLIENTS) as daemon:
            daemon.wait_polled(2)
            yield daemon


def endpoints(daemon: RunningDaemon, keys: ClientKeys) -> list[str]:
    """Return the client's own bus endpoints, and that of the clients without limits."""
    with Client(daemon.query, keys=keys) as client:
        own = client.hello()["bus"]
    assert isinstance(own, list)
    return [*map(str, own), daemon.bus]


class Attacker:
    """An XSUB socket that can send anything, and collects the topics that it receives."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, keys: ClientKeys):
        self.socket = context.socket(zmq.XSUB)
        self.socket.linger = 0
        set_curve_keys(self.socket, keys)
        self.socket.connect(endpoint)
        self.got: set[bytes] = set()

    def send(self, message: bytes) -> None:
        """Send a message, unless the queue is full."""
        with contextlib.suppress(zmq.Again):
            self.socket.send(message, zmq.NOBLOCK)

    def receive(self) -> set[bytes]:
        """Read all queued messages; return all topics received so far."""
        with contextlib.suppress(zmq.Again):
            while True:
                self.got.add(self.socket.recv_multipart(zmq.NOBLOCK)[0])
        return self.got


def loses_its_fence(
    daemon: RunningDaemon, ring: Keyring, fence: bytes, meanwhile: Callable[[], object]
) -> bool:
    """Subscribe a secret with all rights; return whether the fence for that is lost."""
    with subscribed(daemon.bus, ring.of(ADMIN), b"z1/info/secret-1/", fence) as bus:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            meanwhile()
            while bus.poll(1):
                if bus.recv_multipart()[0] == fence:
                    return False
    return True


@pytest.mark.parametrize("name", ["cache", "unnamed"])
def test_user_messages_between_subscriptions_bring_no_frame_of_others(
    daemon: RunningDaemon, ring: Keyring, name: str, promise: Promise
) -> None:
    keys, lost, numbers = ring.of(name), 0, itertools.count()
    with zmq.Context() as context, contextlib.ExitStack() as stack:
        attackers = [Attacker(context, one, keys) for one in endpoints(daemon, keys)]
        for attacker in attackers:
            stack.callback(attacker.socket.close, 0)

        def attack() -> None:
            for attacker in attackers:
                for number in itertools.islice(numbers, 50):
                    attacker.send(b"\x02words")
                    attacker.send(b"\x01~fence/x%d" % number)
                attacker.receive()

        for round_ in range(ROUNDS):
            lost += loses_its_fence(daemon, ring, b"~fence/%d" % round_, attack)
            if lost:
                break
        got = set().union(*(attacker.got for attacker in attackers))
    foreign = {topic for topic in got if b"secret" in topic}
    promise(
        f"client {name}, limited to cache-, sends user messages between subscriptions",
        "no frames of others; others receive their fences",
        f"{len(foreign)} foreign topics, {lost} fences lost",
    )
    assert not foreign
    assert not lost


def test_opening_and_closing_connections_brings_no_frame_of_others(
    daemon: RunningDaemon, ring: Keyring, promise: Promise
) -> None:
    keys, lost = ring.of("cache"), 0
    got: set[bytes] = set()
    with zmq.Context() as context:
        where = endpoints(daemon, keys)
        for round_ in range(ROUNDS // 5):
            attackers = [Attacker(context, one, keys) for one in where * 3]
            for attacker in attackers:
                for number in range(5):
                    attacker.send(b"\x01z1/info/cache-%d" % number)
            lost += loses_its_fence(daemon, ring, b"~fence/%d" % round_, int)
            for attacker in attackers:
                attacker.receive()
                got |= attacker.got
                attacker.socket.close(0)
            if lost:
                break
    foreign = {topic for topic in got if b"secret" in topic}
    promise(
        "it opens and closes connections while others subscribe",
        "no frames of others; others receive their fences",
        f"{len(foreign)} foreign topics, {lost} fences lost",
    )
    assert not foreign
    assert not lost


def test_an_attacked_client_still_gets_its_own_messages(
    daemon: RunningDaemon, ring: Keyring
) -> None:
    keys = ring.of("cache")
    with zmq.Context() as context:
        attacker = Attacker(context, endpoints(daemon, keys)[0], keys)
        attacker.send(b"\x02\x07")
        attacker.send(b"\x01z1/info/")
        try:
            wait_until(lambda: b"z1/info/cache-1/" in attacker.receive(), what="its own")
            assert not any(b"secret" in topic for topic in attacker.got)
        finally:
            attacker.socket.close(0)
