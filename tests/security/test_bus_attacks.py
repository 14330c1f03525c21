"""What a client held to some shards tries, to get what others subscribed."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from tests.daemons import RunningDaemon, set_curve_keys
from tests.promises import Promise
from tests.security.keyed import ADMIN, Keyring, subscribed
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.wire.curve_keys import ClientKeys

CLIENTS = '[clients.admin]\n[clients.cache]\nshards = ["cache-"]\n'
ROUNDS = 30


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys of the clients, and one that no table names."""
    ring = Keyring(tmp_path_factory.mktemp("attacks") / "keys")
    for name in ("cache", "unnamed"):
        ring.let_in(name)
    return ring


@pytest.fixture(scope="module")
def daemon(ring: Keyring) -> Iterator[RunningDaemon]:
    """A daemon with one shard that the client may see, and one that it may not."""
    with RealServer() as server:
        shards = [("cache-1", server.url), ("secret-1", server.url)]
        with ring.daemon(shards, CLIENTS) as daemon:
            daemon.wait_polled(2)
            yield daemon


def endpoints(daemon: RunningDaemon, keys: ClientKeys) -> list[str]:
    """Return the endpoints of the bus that a client is told, and the one that others are told."""
    with Client(daemon.query, keys=keys) as client:
        told = client.hello()["bus"]
    assert isinstance(told, list)
    return [*map(str, told), daemon.bus]


class Attacker:
    """A raw socket that can send anything, and keeps the topics of what it gets."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, keys: ClientKeys):
        self.socket = context.socket(zmq.XSUB)
        self.socket.linger = 0
        set_curve_keys(self.socket, keys)
        self.socket.connect(endpoint)
        self.got: set[bytes] = set()

    def say(self, message: bytes) -> None:
        """Send a message, where there is room for it."""
        with contextlib.suppress(zmq.Again):
            self.socket.send(message, zmq.NOBLOCK)

    def take(self) -> set[bytes]:
        """Read what has come; return the topics of all that came so far."""
        with contextlib.suppress(zmq.Again):
            while True:
                self.got.add(self.socket.recv_multipart(zmq.NOBLOCK)[0])
        return self.got


def loses_its_fence(
    daemon: RunningDaemon, ring: Keyring, fence: bytes, meanwhile: Callable[[], object]
) -> bool:
    """Have a client with all rights subscribe the secret; return whether its fence never comes."""
    with subscribed(daemon.bus, ring.of(ADMIN), b"z1/info/secret-1/", fence) as bus:
        deadline = time.monotonic() + 10
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
                    attacker.say(b"\x02words")
                    attacker.say(b"\x01~fence/x%d" % number)
                attacker.take()

        for round_ in range(ROUNDS):
            lost += loses_its_fence(daemon, ring, b"~fence/%d" % round_, attack)
            if lost:
                break
        got = set().union(*(attacker.got for attacker in attackers))
    foreign = {topic for topic in got if b"secret" in topic}
    promise(
        f"client {name}, held to cache-, sends messages between subscriptions",
        "no foreign frame; others get their fences",
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
                    attacker.say(b"\x01z1/info/cache-%d" % number)
            lost += loses_its_fence(daemon, ring, b"~fence/%d" % round_, int)
            for attacker in attackers:
                attacker.take()
                got |= attacker.got
                attacker.socket.close(0)
            if lost:
                break
    foreign = {topic for topic in got if b"secret" in topic}
    promise(
        "its connections come and go while others subscribe",
        "no foreign frame; others get their fences",
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
        attacker.say(b"\x02\x07")
        attacker.say(b"\x01z1/info/")
        try:
            wait_until(lambda: b"z1/info/cache-1/" in attacker.take(), what="its own")
            assert not any(b"secret" in topic for topic in attacker.got)
        finally:
            attacker.socket.close(0)
