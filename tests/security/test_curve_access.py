"""CURVE keys of a running daemon: which are admitted, and how soon a deleted one is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import zmq

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.security.keyring import (
    ADMIN,
    Keyring,
    refusals,
    refuses,
    reload,
    responds,
    subscribed,
    topics_now,
    topics_since,
    until_fence,
    wait_polls,
)
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client, Mirror
from zinfo.errors import NotAllowedError
from zinfo.wire.curve_keys import ClientKeys


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys of the daemon; each test has clients of its own."""
    return Keyring(tmp_path_factory.mktemp("curve") / "keys")


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def daemon(keyring: Keyring, server: RealServer) -> Iterator[RunningDaemon]:
    """A daemon with one shard."""
    with keyring.daemon([("cache-1", server.url)]) as daemon:
        daemon.wait_polled(1)
        yield daemon


def test_only_known_keys_are_admitted(
    keyring: Keyring, daemon: RunningDaemon, promise: Promise
) -> None:
    known = keyring.of(ADMIN)
    unknown = keyring.make("stranger")
    elsewhere = Keyring(keyring.directory / "elsewhere")
    wrong_server = ClientKeys(elsewhere.of(ADMIN).server, known.own)
    admitted = {
        "known": responds(daemon.query, known),
        "unknown": not refuses(daemon, unknown),
        "none": responds(daemon.query, None, 0.3),
        "another daemon's": responds(daemon.query, wrong_server, 0.3),
    }
    measured = ", ".join(f"{name} {'ok' if ok else 'refused'}" for name, ok in admitted.items())
    promise("keys: known and others", "only the known one is admitted", measured)
    assert admitted == {"known": True, "unknown": False, "none": False, "another daemon's": False}
    stats = daemon.ask("stats").body
    assert isinstance(stats, dict)
    assert stats["access"]["refused"] >= 1
    assert "refused: unknown key" in daemon.log()


def test_the_bus_admits_only_known_keys_too(keyring: Keyring, daemon: RunningDaemon) -> None:
    unknown = keyring.make("outsider")
    before = refusals(daemon)
    with (
        subscribed(daemon.bus, keyring.of(ADMIN), b"") as inside,
        subscribed(daemon.bus, unknown, b"") as outside,
        subscribed(daemon.bus, None, b"") as plain,
    ):
        assert inside.poll(30_000)
        wait_until(lambda: refusals(daemon) > before, what="the outsider to be refused")
        wait_polls(daemon)
        until_fence(inside)
        assert topics_now(outside) == topics_now(plain) == set()


def test_removing_a_key_closes_its_open_connections_too(
    keyring: Keyring, daemon: RunningDaemon, promise: Promise
) -> None:
    keys = keyring.authorize("guest")
    reload(daemon)
    with (
        Client(daemon.query, keys=keys) as client,
        subscribed(daemon.bus, keys, b"") as bus,
        subscribed(daemon.bus, keyring.of(ADMIN), b"z1/hb/") as other,
    ):
        client.ping()
        assert bus.poll(30_000)
        keyring.revoke("guest")
        begun = time.monotonic()
        reload(daemon)
        took = time.monotonic() - begun
        with pytest.raises(NotAllowedError):
            client.ping()
        reloaded = time.time()
        wait_polls(daemon)
        later = topics_since(bus, reloaded)
        promise("a client's key is deleted", "refused from SIGHUP on", f"{took:.2f} s")
        assert later == set()
        topics_now(other)
        assert other.poll(30_000), "others reconnect by themselves"
    assert refuses(daemon, keys)
    keyring.authorize("guest")
    reload(daemon)
    assert responds(daemon.query, keys)


def test_adding_a_key_leaves_connections_open(keyring: Keyring, daemon: RunningDaemon) -> None:
    with Mirror(daemon.query, keys=keyring.of(ADMIN)) as mirror:
        wait_until(lambda: not mirror.stale and len(mirror), what="the mirror")
        joins = mirror._state.session.joins
        keyring.authorize("late")
        reload(daemon)
        assert responds(daemon.query, keyring.of("late"))
        assert not mirror.stale
        assert mirror._state.session.joins == joins


def test_an_invalid_key_file_refuses_all_clients_until_it_is_fixed(
    keyring: Keyring, daemon: RunningDaemon, promise: Promise
) -> None:
    broken = keyring.clients / "broken.key"
    broken.write_text("no key")
    reload(daemon)
    during = responds(daemon.query, keyring.of(ADMIN), 0.5)
    assert "broken.key: found no key" in daemon.log()
    broken.unlink()
    reload(daemon)
    after = responds(daemon.query, keyring.of(ADMIN))
    promise("an invalid key file at SIGHUP", "all refused until fixed", f"{during=}, {after=}")
    assert (during, after) == (False, True)


def test_a_daemon_does_not_start_with_an_invalid_key_file(keyring: Keyring) -> None:
    broken = keyring.clients / "broken.key"
    broken.write_text("no key")
    try:
        with pytest.raises(Exception, match=r"broken\.key: found no key"):
            keyring.daemon().start()
    finally:
        broken.unlink()


def test_a_mirror_over_curve_recovers_after_keys_were_reloaded(
    keyring: Keyring, daemon: RunningDaemon, server: RealServer
) -> None:
    with Mirror(daemon.query, keys=keyring.of(ADMIN)) as mirror:
        wait_until(lambda: not mirror.stale and len(mirror), what="the mirror")
        keyring.authorize("brief")
        reload(daemon)
        keyring.revoke("brief")
        reload(daemon)  # the socket of the bus is bound again
        server.client().set("x", "y")
        wait_until(lambda: not mirror.stale and mirror["cache-1"].get("db0"), what="a fresh mirror")


def test_a_client_without_keys_gets_no_reply(daemon: RunningDaemon) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(daemon.query)
        socket.send_multipart([b"ZI1", b"\x80"])
        assert not socket.poll(500)
