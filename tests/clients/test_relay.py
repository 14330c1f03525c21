"""clients/relay.py between a real daemon and several followers."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.clients.programs import Running, run
from tests.daemons import RunningDaemon
from tests.security.keyring import Keyring
from tests.servers import RealServer
from tests.spawning import HOST, free_port
from tests.waiting import wait_until
from zinfo.client import Client, Delta, Event, Gap, Mirror, Snapshot, Stale, Subscriber

FOLLOWERS = 5
"""Mirrors at one relay."""

DELTAS = 5
"""Of one server, in a row."""

QUICK = {
    "ZINFO_BUS_HEARTBEAT": "0.2",
    "ZINFO_POLL_MIN_INTERVAL": "0.1",
    "ZINFO_POLL_MAX_INTERVAL": "0.1",
}
"""Followers notice what happens sooner than with the default settings."""


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with RealServer() as running:
        yield running


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    with RunningDaemon([server.url], environ=QUICK) as running:
        running.wait_polled(1)
        yield running


@pytest.fixture
def address() -> str:
    return f"tcp://{HOST}:{free_port()}"


@contextlib.contextmanager
def relaying(bus: str, address: str, *options: str) -> Iterator[Running]:
    """Start the relay, and wait until followers can connect to it."""
    with Running("relay.py", f"--connect={bus}", f"--bind={address}", *options) as relay:
        assert relay.line() == f"relaying {bus} at {address}"
        yield relay


def keys_of(mirror: Mirror, server: RealServer) -> object:
    """The number of keys of the server, as a follower sees it."""
    databases = mirror.field(server.ident, "db0")
    return databases["keys"] if isinstance(databases, dict) else None


def test_many_followers_are_one_subscriber_of_the_daemon(
    daemon: RunningDaemon, server: RealServer, address: str
) -> None:
    with relaying(daemon.bus, address), contextlib.ExitStack() as stack:
        mirrors = [stack.enter_context(Mirror(daemon.query, bus=address)) for _ in range(FOLLOWERS)]
        for mirror in mirrors:
            mirror.wait_ready(30)
        client = server.client()
        client.flushall()
        for count in range(1, 4):
            client.set(f"key {count}", 1)
            wait_until(
                lambda count=count: {keys_of(mirror, server) for mirror in mirrors} == {count},  # type: ignore[misc]  # mypy does not infer the type of a default
                what=f"all followers to see {count} keys",
            )
        asking = stack.enter_context(Client(daemon.query))
        assert asking.stats()["bus"]["subscribers"] == 1
        assert not any(mirror.stale for mirror in mirrors)


def test_a_subscriber_gets_what_it_asks_for_without_a_gap(
    daemon: RunningDaemon, server: RealServer, address: str
) -> None:
    with (
        relaying(daemon.bus, address),
        Mirror(daemon.query, bus=address) as other,
        Subscriber(daemon.query, bus=address, shard_ids=[server.ident]) as updates,
    ):
        other.wait_ready(30)
        seen: list[object] = []
        for update in updates:
            assert not isinstance(update, (Gap, Stale)), update
            seen.append(update)
            deltas = [one for one in seen if isinstance(one, Delta)]
            if len(deltas) == DELTAS:
                break
        assert isinstance(seen[0], (Snapshot, Event, Delta))
        revisions = [delta.revision for delta in deltas]
        assert revisions == list(range(revisions[0], revisions[0] + DELTAS))


def test_followers_recover_when_the_relay_or_the_daemon_is_restarted_or_stands_still(
    server: RealServer, address: str
) -> None:
    client = server.client()

    def is_current(mirror: Mirror) -> bool:
        """Whether it has the newest number of keys, and says that it is current."""
        return not mirror.stale and keys_of(mirror, server) == client.dbsize()

    with (
        RunningDaemon([server.url], environ=QUICK) as daemon,
        Mirror(daemon.query, bus=address) as mirror,
    ):
        with relaying(daemon.bus, address):
            mirror.wait_ready(30)
        wait_until(lambda: mirror.stale, what="the follower to notice that the relay is gone")
        client.set("while there is no relay", 1)
        with relaying(daemon.bus, address):
            wait_until(lambda: is_current(mirror), what="another relay to be used")
            daemon.kill()
            wait_until(lambda: mirror.stale, what="the follower to notice the daemon's end")
            client.set("while there is no daemon", 1)
            daemon.start()
            wait_until(lambda: is_current(mirror), what="the restarted daemon to be used")
            (process,) = (
                child
                for child in psutil.Process().children()
                if "relay.py" in " ".join(child.cmdline())
            )
            os.kill(process.pid, signal.SIGSTOP)
            client.set("while the relay stands still", 1)
            wait_until(lambda: mirror.stale, what="the follower to notice the silence")
            os.kill(process.pid, signal.SIGCONT)
            wait_until(lambda: is_current(mirror), what="the relay to go on")


def test_the_relay_of_a_daemon_with_keys_has_the_rights_of_its_own_key(
    server: RealServer, tmp_path: Path, address: str
) -> None:
    keyring = Keyring(tmp_path / "keys")
    keyring.authorize("relay")
    options = (
        f"--server-key={keyring.directory}/server.key",
        f"--client-key={keyring.directory}/relay.key_secret",
    )
    rights = '[clients.admin]\n[clients.relay]\nshards = ["mine"]\n'
    shards = [("mine", server.url), ("hidden", server.url)]
    with (
        keyring.daemon(shards, rights) as daemon,
        Client(daemon.query, keys=keyring.of("relay")) as client,
    ):
        bus = client.hello()["bus"][0]
        with relaying(bus, address, *options), Subscriber(None, bus=address) as updates:
            seen: set[str] = set()
            for update in updates:
                if isinstance(update, Delta):
                    seen.add(update.shard)
                    if update.revision > 3:
                        break
            assert seen == {"mine"}


def test_ctrl_c_ends_it(daemon: RunningDaemon, address: str) -> None:
    with relaying(daemon.bus, address) as relay:
        relay.interrupt()
        assert relay.end() == (130, "")


def test_an_address_in_use_is_reported_in_one_line(daemon: RunningDaemon) -> None:
    done = run("relay.py", f"--connect={daemon.bus}", f"--bind={daemon.bus}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"relay.py: Address already in use (addr='{daemon.bus}')\n"


@pytest.mark.parametrize(
    "options",
    [
        ["--connect=nonsense"],
        ["--server-key=/x"],
        ["--server-key=/no/file", "--client-key=/no/file"],
        ["--bus"],
    ],
)
def test_wrong_usage_ends_with_2(options: list[str], address: str) -> None:
    done = run("relay.py", f"--bind={address}", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
