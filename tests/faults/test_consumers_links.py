"""Connections to the daemon are cut, slow or half-open; the daemon restarts or moves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.daemons import RunningDaemon
from tests.faults.proxy import Proxy
from tests.promises import Promise
from tests.servers import RealServer
from tests.spawning import HOST, free_port
from tests.waiting import wait_until
from zinfo.client import Client, Event, Gap, Mirror, Restart, Stale, Subscriber
from zinfo.errors import NoAnswerError

BEAT = 0.2  # seconds between heartbeats
SILENCE = 3 * BEAT
QUICK = {
    "ZINFO_BUS_HEARTBEAT": str(BEAT),
    "ZINFO_POLL_MIN_INTERVAL": "0.05",
    "ZINFO_POLL_MAX_INTERVAL": "0.05",
    "ZINFO_POLL_INTERVAL_STEP": "0",
}
LONG = 60.0
"""Seconds after which a wait fails; it only ends a test that hangs."""


@dataclass
class ProxiedMirror:
    """A daemon behind proxies, and a Mirror that connects through them."""

    server: RealServer
    daemon: RunningDaemon
    query: Proxy
    bus: Proxy
    mirror: Mirror

    def fresh(self) -> bool:
        return not self.mirror.stale and len(self.mirror) > 0

    def recovered(self) -> float:
        """Wait until the Mirror is fresh and gets a newer revision; return the seconds."""
        begun = time.monotonic()
        wait_until(self.fresh, LONG, "the mirror to be fresh again")
        took = time.monotonic() - begun
        revision = self.mirror.revision(self.server.ident)
        wait_until(
            lambda: self.fresh() and self.mirror.revision(self.server.ident) > revision,
            LONG,
            "a newer revision",
        )
        return took


@pytest.fixture(scope="module")
def shared_proxied() -> Iterator[ProxiedMirror]:
    """One for all tests of the module; each test repairs it."""
    with ExitStack() as stack:
        server = stack.enter_context(RealServer())
        daemon = stack.enter_context(RunningDaemon([server.url], environ=QUICK))
        query = stack.enter_context(Proxy(daemon.query))
        bus = stack.enter_context(Proxy(daemon.bus))
        daemon.wait_polled(1)
        mirror = stack.enter_context(Mirror(query.endpoint, bus=bus.endpoint))
        yield ProxiedMirror(server, daemon, query, bus, mirror)


@pytest.fixture
def proxied(shared_proxied: ProxiedMirror) -> ProxiedMirror:
    shared_proxied.recovered()
    return shared_proxied


def test_a_mirror_recovers_from_a_cut_bus_connection(
    proxied: ProxiedMirror, promise: Promise
) -> None:
    joins = proxied.mirror.counters["joins"]
    begun = time.monotonic()
    proxied.bus.cut()
    wait_until(lambda: proxied.mirror.counters["joins"] > joins, what="the fence to come again")
    noticed = time.monotonic() - begun
    took = proxied.recovered()
    promise(
        "bus connection cut",
        "a new snapshot, then fresh",
        f"noticed after {noticed:.2f} s, fresh {took:.2f} s later",
    )


def test_half_open_connections_make_a_mirror_stale_until_they_are_repaired(
    proxied: ProxiedMirror, promise: Promise
) -> None:
    begun = time.monotonic()
    proxied.query.blackhole()
    proxied.bus.blackhole()
    wait_until(lambda: proxied.mirror.stale, what="the mirror to say stale")
    noticed = time.monotonic() - begun
    assert not proxied.mirror.view(proxied.server.ident).fresh
    assert proxied.mirror[proxied.server.ident]["role"] == "master", "what was known stays readable"
    with (
        Client(proxied.query.endpoint, timeout=0.5) as client,
        pytest.raises(NoAnswerError, match=proxied.query.endpoint),
    ):
        client.ping()
    assert proxied.mirror.stale
    proxied.query.restore()
    proxied.bus.restore()
    took = proxied.recovered()
    promise(
        "connections half open",
        f"stale after 3 heartbeats ({SILENCE:.1f} s), fresh after their end",
        f"stale after {noticed:.2f} s, fresh after {took:.2f} s",
    )


def test_late_messages_make_a_mirror_stale(proxied: ProxiedMirror, promise: Promise) -> None:
    proxied.bus.delay = 4 * SILENCE
    begun = time.monotonic()
    wait_until(lambda: proxied.mirror.stale, what="the mirror to say stale")
    noticed = time.monotonic() - begun
    proxied.bus.restore()
    took = proxied.recovered()
    promise(
        f"bus delayed by {4 * SILENCE:.1f} s",
        f"stale after 3 heartbeats ({SILENCE:.1f} s), fresh after its end",
        f"stale after {noticed:.2f} s, fresh after {took:.2f} s",
    )


def test_a_client_repeats_its_request_after_a_cut_connection(
    proxied: ProxiedMirror, promise: Promise
) -> None:
    with Client(proxied.query.endpoint, timeout=LONG) as client:
        client.ping()
        connections = proxied.query.connections
        proxied.query.cut()
        begun = time.monotonic()
        client.ping()
        assert proxied.query.connections > connections
        promise(
            "query connection cut",
            "the next call gets its reply",
            f"{time.monotonic() - begun:.2f} s",
        )
        proxied.query.blackhole()
        with pytest.raises(NoAnswerError):
            client.ping(timeout=0.3)
        proxied.query.restore()
        client.ping()


def test_events_missed_in_a_cut_give_a_gap_and_can_be_fetched(
    proxied: ProxiedMirror, promise: Promise
) -> None:
    with Subscriber(proxied.query.endpoint, bus=proxied.bus.endpoint, kinds=["event"]) as updates:
        with Client(proxied.daemon.query) as direct:
            first = direct.events().newest
        seen = {first}
        proxied.bus.blackhole()
        proxied.server.kill()
        with Client(proxied.daemon.query) as direct:
            wait_until(lambda: direct.events(first).events, LONG, "an event that is missed")
        proxied.server.start()
        updates_seen: list[object] = []
        while not any(isinstance(update, Stale) for update in updates_seen):
            updates_seen.append(updates.recv(LONG))
        proxied.bus.restore()
        while not any(isinstance(update, Gap) for update in updates_seen):
            updates_seen.append(updates.recv(LONG))
        assert None not in updates_seen
        seen.update(update.number for update in updates_seen if isinstance(update, Event))
        with Client(proxied.query.endpoint) as client:
            recent = client.events(max(seen))
        missed = {event.number for event in recent.events}
        promise(
            "events while the bus is half open",
            "Stale, then Gap; `events` has all that is missing",
            f"{len(missed)} missed, all of them read again",
        )
        assert missed
        assert not recent.missed
        assert seen | missed == set(range(first, recent.newest + 1))
    proxied.recovered()


def test_a_mirror_is_stale_after_a_kill_and_follows_the_restarted_daemon(
    proxied: ProxiedMirror, promise: Promise
) -> None:
    epoch = proxied.mirror.epoch
    begun = time.monotonic()
    proxied.daemon.kill()
    wait_until(lambda: proxied.mirror.stale, what="the mirror to say stale")
    noticed = time.monotonic() - begun
    proxied.daemon.start()
    begun = time.monotonic()
    wait_until(lambda: proxied.mirror.epoch != epoch and proxied.fresh(), LONG, "the new epoch")
    took = time.monotonic() - begun
    promise(
        "daemon killed, started again",
        f"stale after 3 heartbeats ({SILENCE:.1f} s), fresh after its start",
        f"stale after {noticed:.2f} s, fresh after {took:.2f} s",
    )


@pytest.mark.slow
def test_a_daemon_with_another_bus_endpoint_is_found(server: RealServer, promise: Promise) -> None:
    """A daemon whose query endpoint moved cannot be found."""
    with RunningDaemon([server.url], environ=QUICK) as daemon, Mirror(daemon.query) as mirror:
        daemon.wait_polled(1)
        wait_until(lambda: not mirror.stale and len(mirror), what="the mirror to be fresh")
        query, epoch = daemon.query, mirror.epoch
        with Subscriber(query, kinds=["delta"]) as updates:
            daemon.kill()
            daemon.query, daemon.bus = _elsewhere(), _elsewhere()
            daemon.start()
            wait_until(lambda: query in mirror.problem, what="the endpoint in the mirror's problem")
            problem = mirror.problem
            assert mirror.stale
            daemon.terminate()
            daemon.query = query
            daemon.start()
            begun = time.monotonic()
            wait_until(
                lambda: mirror.epoch != epoch and not mirror.stale and len(mirror), LONG, "the move"
            )
            took = time.monotonic() - begun
            updates_seen: list[type] = []
            while Restart not in updates_seen:
                updates_seen.append(type(updates.recv(LONG)))
            promise(
                "daemon replaced by one on other ports",
                "stale and why while no query endpoint answers; then it joins the new bus",
                f"{problem!r}; fresh after {took:.2f} s",
            )
            assert Stale in updates_seen


def _elsewhere() -> str:
    return f"tcp://{HOST}:{free_port()}"
