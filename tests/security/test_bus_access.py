"""The bus sockets of clients with different rights: endpoints, contents, reloads."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import zmq
import zmq.green

from tests.daemons import ROOT, DaemonError, RunningDaemon, set_curve_keys
from tests.promises import Promise
from tests.security.keyring import (
    ADMIN,
    Keyring,
    bus_endpoint,
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
from tests.spawning import HOST, free_port
from tests.waiting import wait_until
from zinfo.bus.topic_limits import MAX_CLIENT_TOPICS
from zinfo.client import Client, Mirror, Subscriber
from zinfo.errors import NoAnswerError, NotAllowedError
from zinfo.security.zap import ZapHandler
from zinfo.sockets.listen import ZAP_DOMAIN, listen
from zinfo.wire.codec import unpack
from zinfo.wire.curve_keys import ClientKeys

CLIENTS = """
[clients.admin]
[clients.cache]
shards = ["cache-"]
[clients.also-cache]
shards = ["cache-", "cache-1"]
[clients.infos]
operations = ["get_infos"]
[clients.events]
operations = ["events", "stats"]
[clients.nothing]
operations = ["stats"]
"""
NAMES = ("cache", "also-cache", "infos", "events", "nothing")


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """One server behind all shards."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys of all clients."""
    return Keyring(tmp_path_factory.mktemp("sets") / "keys", *NAMES)


@pytest.fixture(scope="module")
def text(ring: Keyring, server: RealServer) -> str:
    """The configuration that each test restores."""
    return ring.config([(name, server.url) for name in ("cache-1", "db-1")], CLIENTS)


@pytest.fixture(scope="module")
def daemon(ring: Keyring, text: str) -> Iterator[RunningDaemon]:
    """A daemon with two shards and six clients."""
    with RunningDaemon(config_text=text, keys=ring.of(ADMIN)) as daemon:
        daemon.wait_polled(2)
        yield daemon
        assert "Traceback" not in daemon.log()


def stats(daemon: RunningDaemon) -> Any:
    body: Any = daemon.ask("stats").body
    return body["bus"]


def hello(daemon: RunningDaemon, keys: ClientKeys) -> Any:
    with Client(daemon.query, keys=keys) as client:
        return client.hello()


def after(bus: str, number: int) -> str:
    host, _, port = bus.rpartition(":")
    return f"{host}:{int(port) + number}"


# --- endpoints


def test_hello_tells_each_client_the_endpoint_of_its_set(
    daemon: RunningDaemon, ring: Keyring, promise: Promise
) -> None:
    endpoints = {name: hello(daemon, ring.of(name))["bus"] for name in (ADMIN, *NAMES)}
    promise("clients with equal rights", "share a port, ordered by name", str(endpoints))
    assert endpoints == {
        ADMIN: [daemon.bus],
        "also-cache": [after(daemon.bus, 1)],
        "cache": [after(daemon.bus, 1)],
        "events": [after(daemon.bus, 2)],
        "infos": [after(daemon.bus, 3)],
        "nothing": [],
    }
    assert stats(daemon)["sockets"] == 4
    with subscribed(endpoints["cache"][0], ring.of("cache"), b"z1/hb/") as bus:
        assert bus.poll(30_000)
        heartbeat: Any = unpack(bus.recv_multipart()[2])
    assert heartbeat["bus"] == endpoints["cache"][0]


def test_a_port_in_use_is_an_error_that_names_the_key(ring: Keyring) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        clients = '[clients.admin]\n[clients.cache]\nshards = ["cache-"]\n'
        clients += f'[bus.endpoints]\ncache = "tcp://{HOST}:{port}"\n'
        daemon = RunningDaemon(config_text=ring.config(clients=clients), keys=ring.of(ADMIN))
        daemon.query, daemon.bus = (f"tcp://{HOST}:{free_port()}" for _ in range(2))
        with pytest.raises(DaemonError, match=r"bus\.endpoints\.cache: .*Address already in use"):
            daemon.__enter__()


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_admitted_to_its_own_socket_only(
    daemon: RunningDaemon, ring: Keyring, name: str, promise: Promise
) -> None:
    own = hello(daemon, ring.of(name))["bus"]
    before = refusals(daemon)
    with contextlib.ExitStack() as stack:
        sockets = {
            where: stack.enter_context(subscribed(where, ring.of(name), b""))
            for where in (after(daemon.bus, number) for number in range(4))
        }
        wait_until(lambda: refusals(daemon) - before >= 4 - len(own), what="the refusals")
        if own:
            until_fence(sockets[own[0]])
            assert sockets[own[0]].poll(30_000)
        wait_polls(daemon)
        heard = [where for where, one in sockets.items() if topics_now(one)]
    promise(f"client {name} connects to all bus ports", "only its own works", f"{len(heard)} of 4")
    assert heard == own


# --- contents


@pytest.mark.parametrize(
    ("name", "kinds"), [("infos", {"info", "delta", "hb"}), ("events", {"event", "hb"})]
)
def test_allowed_operations_limit_the_kinds_of_bus_messages(
    daemon: RunningDaemon, ring: Keyring, server: RealServer, text: str, name: str, kinds: set[str]
) -> None:
    keys = ring.of(name)
    rights = hello(daemon, keys)["rights"]
    with subscribed(bus_endpoint(daemon, keys), keys, b"") as bus:
        assert bus.poll(30_000)
        reload(daemon, f'{text}\n[[shards]]\nid = "late"\nurl = "{server.url}"\n')
        wait_polls(daemon)
        topics = {frames[0] for frames in until_fence(bus)}
        while b"z1/hb/" not in {topic[:6] for topic in topics}:
            assert bus.poll(30_000)
            topics |= topics_now(bus)
        heard = {topic.split(b"/")[1].decode() for topic in topics if topic.startswith(b"z1/")}
    reload(daemon, text)
    assert heard == kinds
    assert set(rights["kinds"]) == kinds - {"hb"}


def test_a_refused_subscription_is_reported_and_counted(
    daemon: RunningDaemon, ring: Keyring, promise: Promise
) -> None:
    keys = ring.of("cache")
    before = stats(daemon)["refused_by"].get("cache", 0)
    with pytest.raises(NotAllowedError, match=r"z1/delta/db-1/, z1/event/db-1/") as caught:
        Subscriber(daemon.query, shard_ids=["db-1"], keys=keys)
    with Subscriber(daemon.query, shard_ids=["cache-1"], keys=keys, kinds=["delta"]) as allowed:
        assert allowed.recv(30)
    with (
        Mirror(daemon.query, shard_ids=["db-1"], keys=keys) as mirror,
        pytest.raises(NoAnswerError, match="db-1"),
    ):
        mirror.wait_ready(1.5)
    refused = [b"z1/info/db-1/", b"z1/nonsense", b"~fence/x"]
    with subscribed(bus_endpoint(daemon, keys), keys, b"z1/info/cache-1/", *refused) as bus:
        while True:
            assert bus.poll(30_000)
            topic, _, body = bus.recv_multipart()
            if topic == b"~fence/x":
                break
    fence: Any = unpack(body)
    counted = stats(daemon)["refused_by"]["cache"] - before
    promise("a client subscribes a foreign shard", "error, and counted", str(caught.value))
    assert fence["refused"] == ["z1/info/db-1/", "z1/nonsense"]
    assert counted >= 4


def test_a_client_without_rights_on_the_bus_gets_an_error(
    daemon: RunningDaemon, ring: Keyring
) -> None:
    with pytest.raises(NoAnswerError, match="allows this client nothing on the bus"):
        Subscriber(daemon.query, keys=ring.of("nothing"), timeout=3.0)  # it asks again


def test_a_client_with_too_many_topics_is_disconnected_and_others_are_not(
    daemon: RunningDaemon, ring: Keyring, promise: Promise
) -> None:
    keys = ring.of("events")
    where = bus_endpoint(daemon, keys)
    with (
        subscribed(daemon.bus, ring.of(ADMIN), b"z1/hb/") as other,
        zmq.Context() as context,
        context.socket(zmq.XSUB) as honest,
        context.socket(zmq.XSUB) as flood,
    ):
        for one in (honest, flood):
            one.linger, one.sndhwm = 0, 0
            set_curve_keys(one, keys if one is flood else ring.of("infos"))
        honest.connect(bus_endpoint(daemon, ring.of("infos")))
        for number in range(10_000):
            honest.send(b"\x01z1/delta/shard-%d/" % number)
        honest.send(b"\x01~fence/honest")
        assert honest.poll(30_000), "deltas of 10,000 shards may be subscribed one by one"
        assert honest.recv_multipart()[0] == b"~fence/honest"
        flood.connect(where)
        for number in range(MAX_CLIENT_TOPICS + 50):
            flood.send(b"\x01z1/event/shard-%d/" % number)
        wait_until(lambda: stats(daemon)["cut"], 60, what="the connection to be closed")
        wait_until(lambda: stats(daemon)["topics"] <= 10_100, 60, what="its topics to be removed")
        topics_now(other)
        assert other.poll(30_000)
        held = stats(daemon)["topics"]
    promise(
        f"a client subscribes more than {MAX_CLIENT_TOPICS} topics",
        "it is disconnected, others are not",
        f"{held} topics of others",
    )
    assert "closed a connection of client events" in daemon.log()
    assert held >= 10_000, "clients within their limits stay connected"


# --- reload


def test_a_client_whose_rights_change_is_disconnected_and_others_reconnect(
    daemon: RunningDaemon, ring: Keyring, text: str, promise: Promise
) -> None:
    moving, staying = ring.of("cache"), ring.of("also-cache")
    where = bus_endpoint(daemon, moving)
    with (
        subscribed(where, moving, b"z1/") as moved,
        subscribed(where, staying, b"z1/", b"~fence/stays") as stays,
        subscribed(daemon.bus, ring.of(ADMIN), b"z1/hb/", b"~fence/admin") as admin,
    ):
        assert moved.poll(30_000)
        wait_until(lambda: b"~fence/stays" in topics_now(stays), what="its fence")
        wait_until(lambda: b"~fence/admin" in topics_now(admin), what="a fence")
        table = '[clients.cache]\nshards = ["{}-"]'
        changed = text.replace(table.format("cache"), table.format("db"))
        reload(daemon, changed)
        reloaded = time.time()
        wait_until(lambda: b"~fence/stays" in topics_now(stays), what="its fence again")
        wait_polls(daemon)
        later = topics_since(moved, reloaded)
        again = topics_now(admin)
        now = hello(daemon, moving)["bus"]
    promise("a client's rights change", "disconnected; others reconnect", f"{later}, {now}")
    assert not later, "the old connection receives nothing"
    assert b"~fence/admin" not in again, "sockets of unchanged rights are not reset"
    assert now == [after(daemon.bus, 4)]
    assert hello(daemon, staying)["bus"] == [where], "a set keeps its port"
    with subscribed(now[0], moving, b"z1/delta/") as bus:
        until_fence(bus)
        wait_polls(daemon)
        assert {frames[0] for frames in until_fence(bus)} == {b"z1/delta/db-1/"}
    reload(daemon, text)
    assert hello(daemon, moving)["bus"] == [where]


@pytest.mark.parametrize("broken", ["[[[", "[poll]\ntimeout = 0\n[poll]\n", ""])
def test_a_key_is_revoked_even_if_the_configuration_is_invalid(
    daemon: RunningDaemon, ring: Keyring, text: str, broken: str, promise: Promise
) -> None:
    keys, begun = ring.of("cache"), len(daemon.log())
    with subscribed(bus_endpoint(daemon, keys), keys, b"z1/delta/cache-1/") as bus:
        assert bus.poll(30_000)
        try:
            ring.revoke("cache")
            reload(daemon, broken + text if broken else text)
            reloaded = time.time()
            wait_polls(daemon)
            refused, later = refuses(daemon, keys), topics_since(bus, reloaded)
            others = responds(daemon.query, ring.of("infos"))
            shards = set(hello(daemon, ring.of("also-cache"))["rights"]["shards"])
        finally:
            ring.authorize("cache")
            log = daemon.log()[begun:]
            reload(daemon, text)
    assert responds(daemon.query, keys)
    what = "the TOML is invalid" if broken else "its [clients] table stays"
    promise(
        f"a key is deleted, {what}",
        "it is refused, others are not",
        f"{refused}, {later}, {others}",
    )
    assert refused
    assert not later
    assert others
    assert shards == {"cache-", "cache-1"}
    assert ("configuration not taken" in log) is bool(broken)
    assert "clients.cache: found no key" in log


# --- pitfalls of ZeroMQ


def test_an_empty_zap_domain_is_an_error(keyring: Keyring, promise: Promise) -> None:
    context: Any = zmq.green.Context()
    try:
        handler = ZapHandler(context, bool, Counter())
        for domain in (b"", ZAP_DOMAIN):
            with pytest.raises(ValueError, match="ZAP domain"):
                handler.add_rule(domain, bool)
        with pytest.raises(ValueError, match="ZAP domain"):
            listen(context, zmq.XPUB, "tcp://127.0.0.1:*", "bus", 1, b"x" * 40, domain=b"")
        handler.close()
    finally:
        context.destroy(linger=0)
    promise("an empty ZAP domain", "an error: it would admit every client", "ValueError")


def legacy_stream(daemon: RunningDaemon, ring: Keyring, name: str, shard: str) -> list[str]:
    """Return the command of a subscriber without zinfo."""
    command = [sys.executable, str(ROOT / "clients" / "legacy_stream.py"), shard]
    command += ["--connect", daemon.query, "--server-key", str(ring.directory / "server.key")]
    return [*command, "--client-key", str(ring.directory / f"{name}.key_secret")]


def test_client_programs_report_refused_topics(
    daemon: RunningDaemon, ring: Keyring, promise: Promise
) -> None:
    command = legacy_stream(daemon, ring, "cache", "db-1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "not authorised to subscribe to z1/delta/db-1/, z1/event/db-1/" in done.stderr
    command = legacy_stream(daemon, ring, "infos", "cache-1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as some:
        assert some.stdout
        assert some.stderr
        assert b"cache-1" in some.stdout.readline(), "allowed messages are printed"
        some.kill()
        said = some.stderr.read().decode()
    promise("legacy_stream.py subscribes refused topics", "it names them", said.strip())
    assert "not authorised to subscribe to z1/event/cache-1/" in said


def test_a_mirror_with_hidden_fields_needs_only_deltas(
    daemon: RunningDaemon, ring: Keyring, text: str
) -> None:
    reload(
        daemon,
        text.replace(
            "[clients.nothing]\n", '[clients.nothing]\nhidden_fields = ["executable"]\n'
        ).replace('operations = ["stats"]\n', ""),
    )
    try:
        with Mirror(daemon.query, keys=ring.of("nothing")) as mirror:
            wait_until(lambda: not mirror.stale and len(mirror) == 2, what="a fresh mirror")
            before = requests(daemon)
            revision = mirror.view("db-1").revision
            wait_until(lambda: mirror.view("db-1").revision > revision + 10, what="ten polls")
            info = mirror.view("db-1").info or {}
            assert "executable" not in info
            assert "used_memory" in info
        assert requests(daemon) - before <= 2, "deltas arrive, so it sends no requests"
    finally:
        reload(daemon, text)


def requests(daemon: RunningDaemon) -> int:
    body: Any = daemon.ask("stats").body
    return int(body["query"]["requests"].get("snapshot", 0))
