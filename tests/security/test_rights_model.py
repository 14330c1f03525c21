"""Random runs of clients, rights and reloads: no client receives more than its rights allow.

hypothesis chooses the steps (https://hypothesis.readthedocs.io/en/latest/stateful.html). Daemon,
sockets and shards are real; `tests.security.grants` says what is allowed, and shares no code with
zinfo's own rights. A step never raises: hypothesis would repeat the run to find a smaller one, and
a run against real processes does not repeat to the letter. Problems are collected instead.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator

import pytest
import zmq
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.daemons import RunningDaemon
from tests.examples import examples
from tests.promises import Promise
from tests.security.bus_peers import USER_MESSAGES, BusPeer
from tests.security.grants import HIDEABLE, NOTHING, Grant, History
from tests.security.keyring import ADMIN, Keyring, reload
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.wire.bus_messages import fence_topic, unpack_header

CLIENTS = ("ann", "bob", "cid", "dan")
SHARDS = ("cache-1", "cache-2", "db-1", "secret-1")
MAX_PEERS = 10  # maximum number of connections to the bus
INTRUSION = 0.2  # seconds in which a client tries to subscribe at another client's endpoint

PREFIXES = (
    b"", b"z", b"z1/", b"z1/info/", b"z1/delta/", b"z1/event/", b"z1/hb/", b"z1/info/cache-",
    b"z1/delta/cache-1/", b"z1/info/secret-1/", b"z1/delta/secret-1/", b"z1/event/secret-1/",
    b"z1/info/db-1/", b"z1/delta/d", b"nonsense",
)  # fmt: skip

GRANTS = st.builds(
    Grant,
    shards=st.none()
    | st.lists(st.sampled_from(["cache-", "db-1", "secret"]), max_size=2).map(tuple),
    operations=st.none()
    | st.frozensets(st.sampled_from(["get_infos", "snapshot", "events", "shards"])),
    hidden=st.lists(st.sampled_from(sorted(HIDEABLE)), max_size=2, unique=True).map(tuple),
)


class RunningOnAnyPort(RunningDaemon):
    """A daemon whose bus sockets take free ports, which `hello` names."""

    def _choose_addresses(self) -> None:
        super()._choose_addresses()
        self.bus = "tcp://127.0.0.1:*"


class World:
    """One daemon with its shards, the keys of its clients, and what each client has been granted.

    Args:
        ring: keys of all clients; the daemon knows the authorized ones.
        daemon: runs.
        context: of the clients' sockets.
        server: the server behind all shards.
    """

    def __init__(
        self,
        ring: Keyring,
        daemon: RunningDaemon,
        context: zmq.Context[zmq.Socket[bytes]],
        server: RealServer,
    ) -> None:
        self.ring, self.daemon, self.context = ring, daemon, context
        self._server = server
        self.shards = [(name, server.url) for name in SHARDS]
        self.grants: dict[str, Grant] = {}
        self.revoked: set[str] = set()
        now = time.time()
        self.histories = {name: History(NOTHING, now) for name in CLIENTS}
        self.endpoints: dict[str, str] = {}
        self.frames = self.steps = 0
        self.problems: list[str] = []
        self._observer: BusPeer | None = None
        self._is_replica = False

    def expect(self, predicate: Callable[[], object], what: str) -> None:
        """Wait for a condition; record a problem if it does not come true."""
        if self.problems:
            return
        try:
            wait_until(predicate, what=what)
        except AssertionError as error:
            self.problems.append(str(error))

    def config(self) -> str:
        """Return the text of the configuration."""
        tables = "".join(grant.table(name) for name, grant in self.grants.items())
        text = self.ring.config(self.shards, f"[clients.{ADMIN}]\n{tables}")
        return text.replace("interval = 0.1", "interval = 0.02")

    def reload(self, text: str | None = None) -> None:
        """Reload the configuration and keys, and record each client's grant."""
        begun = time.time()
        reload(self.daemon, self.config() if text is None else text)
        done = time.time()
        for name, history in self.histories.items():
            grant = None if name in self.revoked else self.grants.get(name, NOTHING)
            if grant != history.newest:
                history.change(grant, begun, done)
        self.endpoints = {ADMIN: self.endpoints[ADMIN]} if self.endpoints else {}
        for name in CLIENTS:
            if name not in self.revoked:
                self.endpoints.update(self._endpoint(name))
        self.observe()

    def _endpoint(self, name: str) -> dict[str, str]:
        with Client(self.daemon.query, keys=self.ring.of(name)) as client:
            bus = client.hello()["bus"]
        assert isinstance(bus, list)
        return {name: str(bus[0])} if bus else {}

    def observe(self) -> None:
        """Wait until the admin has received one more message of each shard."""
        if self._observer is None:
            self.endpoints.update(self._endpoint(ADMIN))
            keys = self.ring.of(ADMIN)
            self._observer = BusPeer(self.context, self.endpoints[ADMIN], keys)
            self.expect(lambda: self._observer_sends(b"\x01z1/delta/"), what="the admin to connect")
        since, missing = time.time(), {name.encode() for name in SHARDS}

        def all_seen() -> bool:
            assert self._observer is not None
            for frames in self._observer.received(0.05):
                if unpack_header(frames[1]).time >= since:
                    missing.discard(frames[0].split(b"/")[2])
            return not missing

        self.expect(all_seen, what="a delta of each shard")

    def _observer_sends(self, message: bytes) -> bool:
        assert self._observer is not None
        return self._observer.send(message)

    def change_role(self) -> None:
        """Make the server a replica of an unreachable server, or a primary again."""
        self._is_replica = not self._is_replica
        target = ("127.0.0.1", "1") if self._is_replica else ("NO", "ONE")
        assert self._server.cli("REPLICAOF", *target) == b"+OK\r\n"

    def close(self) -> None:
        """Close the admin's socket."""
        if self._observer is not None:
            self._observer.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One daemon for all runs; starting it takes longer than a run."""
    ring = Keyring(tmp_path_factory.mktemp("model") / "keys")
    for name in CLIENTS:
        ring.authorize(name)
    with RealServer() as server, zmq.Context() as context:
        shards = [(name, server.url) for name in SHARDS]
        text = ring.config(shards, f"[clients.{ADMIN}]\n")
        with RunningOnAnyPort(config_text=text, keys=ring.of(ADMIN)) as daemon:
            daemon.wait_polled(len(SHARDS))
            world = World(ring, daemon, context, server)
            yield world
            world.close()


class RightsMachine(RuleBasedStateMachine):
    """Steps that clients and operators take, in any order."""

    world: World  #: set before the runs

    def __init__(self) -> None:
        super().__init__()
        self.peers: list[tuple[str, BusPeer]] = []
        self.nonces = itertools.count()

    @initialize(grants=st.lists(GRANTS, min_size=len(CLIENTS), max_size=len(CLIENTS)))
    def begin(self, grants: list[Grant]) -> None:
        """Authorize all keys, each with different rights and a subscription to everything."""
        for name in sorted(self.world.revoked):
            self.world.ring.authorize(name)
        self.world.revoked.clear()
        self.world.grants = dict(zip(CLIENTS, grants, strict=True))
        self.world.reload()
        for name in CLIENTS:
            self._join(name, b"")

    @precondition(lambda self: len(self.peers) < MAX_PEERS)
    @rule(
        name=st.sampled_from(CLIENTS),
        whose=st.sampled_from((*CLIENTS, ADMIN)),
        prefix=st.sampled_from(PREFIXES),
    )
    def intrude(self, name: str, whose: str, prefix: bytes) -> None:
        """A client connects to the bus endpoint of another client, and subscribes if it can."""
        endpoint = self.world.endpoints.get(whose)
        if endpoint is None:
            return
        peer = BusPeer(self.world.context, endpoint, self.world.ring.of(name))
        self.peers.append((name, peer))
        with contextlib.suppress(AssertionError):  # it is refused, unless the rights are equal
            wait_until(lambda: peer.subscribe(prefix), INTRUSION, "the intruder to be admitted")

    @precondition(lambda self: len(self.peers) < MAX_PEERS)
    @rule(name=st.sampled_from(CLIENTS), prefix=st.sampled_from(PREFIXES))
    def follow(self, name: str, prefix: bytes) -> None:
        """A client connects where `hello` says, and subscribes."""
        if name not in self.world.revoked:
            self._join(name, prefix)

    def _join(self, name: str, prefix: bytes) -> None:
        endpoint = self.world.endpoints.get(name)
        if endpoint is None:
            return
        peer = BusPeer(self.world.context, endpoint, self.world.ring.of(name))
        self.peers.append((name, peer))
        self.world.expect(lambda: peer.subscribe(prefix), what=f"{name} at {endpoint}")

    @precondition(lambda self: self.peers)
    @rule(which=st.integers(0, MAX_PEERS - 1), prefix=st.sampled_from(PREFIXES))
    def subscribe(self, which: int, prefix: bytes) -> None:
        """A peer subscribes a topic, its own or another client's."""
        self._peer(which)[1].subscribe(prefix)

    @precondition(lambda self: self.peers)
    @rule(which=st.integers(0, MAX_PEERS - 1), prefix=st.sampled_from(PREFIXES))
    def unsubscribe(self, which: int, prefix: bytes) -> None:
        """A peer unsubscribes a topic, which it may not have subscribed."""
        self._peer(which)[1].unsubscribe(prefix)

    @precondition(lambda self: self.peers)
    @rule(which=st.integers(0, MAX_PEERS - 1), message=st.sampled_from(USER_MESSAGES))
    def send_user_message(self, which: int, message: tuple[bytes, ...]) -> None:
        """A peer sends a user message."""
        self._peer(which)[1].send(*message)

    @precondition(lambda self: self.peers)
    @rule(which=st.integers(0, MAX_PEERS - 1))
    def disconnect(self, which: int) -> None:
        """A peer disconnects."""
        entry = self._peer(which)
        self.peers.remove(entry)
        entry[1].close()

    @rule(prefix=st.sampled_from(PREFIXES))
    def admin_joins(self, prefix: bytes) -> None:
        """A client with all rights subscribes, receives its fence, and disconnects."""
        fence = fence_topic(f"model-{id(self)}-{next(self.nonces)}")
        keys = self.world.ring.of(ADMIN)
        with BusPeer(self.world.context, self.world.endpoints[ADMIN], keys) as admin:
            self.world.expect(lambda: admin.subscribe(prefix), what="the admin to connect")
            self.world.expect(lambda: admin.subscribe(fence), what="the admin to connect")
            self.world.expect(
                lambda: any(frames[0] == fence for frames in admin.received(0.05)),
                what="the admin's fence",
            )

    @rule()
    def change_role(self) -> None:
        """The server becomes a replica or a primary, which INFO and events report."""
        self.world.change_role()

    @rule(name=st.sampled_from(CLIENTS), grant=st.none() | GRANTS)
    def change_rights(self, name: str, grant: Grant | None) -> None:
        """The operator changes or removes a client's table, and reloads."""
        if grant is None or name in self.world.revoked:
            self.world.grants.pop(name, None)
        else:
            self.world.grants[name] = grant
        self.world.reload()

    @rule(name=st.sampled_from(CLIENTS), broken=st.booleans())
    def revoke(self, name: str, broken: bool) -> None:
        """The operator deletes a client's key and reloads, possibly with invalid TOML."""
        if name in self.world.revoked:
            return
        self.world.ring.revoke(name)
        self.world.revoked.add(name)
        self.world.reload(self.world.config() + "[[[\n" if broken else None)

    def teardown(self) -> None:
        """Close all peers."""
        for _name, peer in self.peers:
            peer.close()

    def _peer(self, which: int) -> tuple[str, BusPeer]:
        return self.peers[which % len(self.peers)]

    @invariant()
    def look(self) -> None:
        """Check each received frame, after each shard was published once more."""
        if not self.world.endpoints or self.world.problems:
            return
        self.world.observe()
        self.world.steps += 1
        for name, peer in self.peers:
            for frames in peer.received():
                self.world.frames += 1
                problem = self.world.histories[name].problem(frames)
                if problem:
                    self.world.problems.append(f"{name} received {problem}")


def run(world: World, count: int, steps: int) -> None:
    """Run the state machine against the daemon."""
    RightsMachine.world = world
    run_state_machine_as_test(
        RightsMachine,
        settings=settings(
            max_examples=examples(count),
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # a run against a real daemon is not reproducible
            suppress_health_check=list(HealthCheck),
        ),
    )
    world.daemon.ask("ping")
    assert not world.problems, "\n".join(world.problems[:20])


def test_no_client_receives_more_than_its_rights_allow(world: World, promise: Promise) -> None:
    run(world, count=20, steps=15)
    measured = f"{world.frames} frames in {world.steps} steps, none foreign"
    promise("random clients, rights and reloads", "no frame beyond the rights", measured)
    assert world.frames > 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_client_receives_more_than_its_rights_allow_in_a_long_random_run(
    world: World, promise: Promise
) -> None:
    run(world, count=60, steps=40)
    measured = f"{world.frames} frames in {world.steps} steps, none foreign"
    promise("the same, for minutes", "no frame beyond the rights", measured)
