"""A Fleet of real daemons with two copies: killed, stopped, restarted, and one more of them.

Every 50 ms, each shard is fresh in the Fleet, or said to be stale, or the Fleet is. At night there
are sixty servers, and further rounds.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.scenarios.fleet_observer import Observer
from tests.scenarios.test_mirror_equals_cache import LONG, QUICK, cache, types, under_load
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Fleet
from zinfo.wire.slices import slices_of

COPIES = 2


def config(servers: list[RealServer], number: int, count: int) -> str:
    """The configuration of a daemon."""
    shards = "".join(f'[[shards]]\nurl = "{server.url}"\n' for server in servers)
    return f"{shards}[slice]\nnumber = {number}\ncount = {count}\ncopies = {COPIES}\n"


class Scene:
    """Servers, daemons and a Fleet.

    Args:
        servers: those that the daemons poll.
        daemons: four, of which three run.
        fleet: reads from all.
        observer: looks at the Fleet.
    """

    def __init__(
        self,
        servers: list[RealServer],
        daemons: list[RunningDaemon],
        fleet: Fleet,
        observer: Observer,
    ) -> None:
        self.servers = servers
        self.daemons = daemons
        self.fleet = fleet
        self.observer = observer
        self.count = 3

    def owners(self, server: RealServer) -> list[RunningDaemon]:
        """The daemons that poll a server."""
        return [self.daemons[at] for at in slices_of(server.ident, self.count, COPIES)]

    def wait_unheard(self, *numbers: int) -> float:
        """Wait until the Fleet notices that daemons are silent; return the seconds."""
        began = time.monotonic()
        for number in numbers:
            wait_until(partial(self.problem, number), LONG, "the silence to be noticed")
        return time.monotonic() - began

    def problem(self, number: int) -> str:
        """Why a daemon is not heard; "" if it is."""
        return self.fleet.members[number].problem

    def wait_heard(self) -> None:
        """Wait until nothing is stale, and all daemons are heard."""
        self.fleet.wait_ready(LONG)
        wait_until(
            lambda: not any(map(self.problem, range(self.count))),
            LONG,
            "all daemons to be heard",
        )

    def equal_to_caches(self) -> int:
        """Compare fresh shards with the caches of the daemons; return their number."""
        compared = 0
        for daemon in self.daemons[: self.count]:
            theirs = cache(daemon)
            with self.fleet._mirrors.copies() as copies:
                own = self.fleet._mirrors._mirrors[daemon.query]._state
                best = copies.all_best()
                views = {one: own.view(one, copies._now) for one in best if best[one] is own}
            for shard, view in views.items():
                revision, info = theirs.get(shard, (0, None))
                if view.fresh and view.revision == revision:
                    assert view.info == info, f"{shard} differs at revision {revision}"
                    assert types(view.info or {}) == types(info)
                    compared += 1
        return compared


def wait_equal(scene: Scene, least: int = 10) -> None:
    """Compare with the daemons' caches until enough shards were compared."""
    compared = 0

    def enough() -> bool:
        nonlocal compared
        compared += scene.equal_to_caches()
        return compared >= least

    wait_until(enough, LONG, f"{least} shards to be compared")


@pytest.fixture(
    scope="module",
    params=[6, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)
def servers(request: pytest.FixtureRequest) -> Iterator[list[RealServer]]:
    """Servers under load."""
    with contextlib.ExitStack() as stack:
        made = [RealServer() for _ in range(request.param)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(stack.enter_context, made))
        stack.enter_context(under_load(made))
        yield made


@pytest.fixture(scope="module")
def scene(servers: list[RealServer]) -> Iterator[Scene]:
    """Three daemons, another one that does not run, and a Fleet of all."""
    with contextlib.ExitStack() as stack:
        daemons = [
            RunningDaemon(config_text=config(servers, at, 3), environ=QUICK) for at in range(4)
        ]
        for daemon in daemons:
            stack.callback(daemon._remove)
        daemons[3]._choose_addresses()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(RunningDaemon.start, daemons[:3]))
        fleet = stack.enter_context(Fleet([daemon.query for daemon in daemons]))
        fleet.wait_ready(LONG)
        observer = Observer(fleet, [server.ident for server in servers])
        found = Scene(servers, daemons, fleet, observer)
        found.wait_heard()
        with observer:
            yield found
        assert not any(daemon.terminate() for daemon in daemons if daemon.running)


def show(promise: Promise, scene: Scene, fault: str, noticed: float | None = None) -> None:
    """Add a row to the table of promises, and check that nothing was wrong."""
    began = "" if noticed is None else f"noticed after {noticed:.2f} s; "
    promise(
        f"{fault}, {len(scene.servers)} servers",
        "fresh, or said to be stale",
        f"{began}not fresh for at most {scene.observer.longest:.2f} s; "
        f"{scene.observer.looks} looks, {len(scene.observer.silent)} without a word",
    )
    assert scene.observer.silent == []


def test_one_daemon_is_killed_and_restarted(scene: Scene, promise: Promise) -> None:
    scene.observer.begin_phase()
    scene.daemons[0].kill()
    noticed = scene.wait_unheard(0)
    scene.fleet.wait_ready(LONG)
    assert scene.fleet.missing == ()
    assert len(scene.fleet) == len(scene.servers)
    scene.daemons[0].start()
    scene.wait_heard()
    wait_equal(scene)
    show(promise, scene, "one of three daemons killed", noticed)


def test_one_daemon_is_stopped_and_another_one_killed(scene: Scene, promise: Promise) -> None:
    scene.observer.begin_phase()
    scene.daemons[1].suspend()
    scene.daemons[2].kill()
    noticed = scene.wait_unheard(1, 2)
    missing = [one.slice.number for one in scene.fleet.missing if one.slice]
    assert missing == [1, 2]
    assert scene.fleet.stale
    lost = {
        server.ident for server in scene.servers if scene.daemons[0] not in scene.owners(server)
    }
    assert scene.fleet.stale_shards >= lost
    assert len(scene.fleet) == len(scene.servers)
    scene.daemons[1].resume()
    scene.fleet.wait_ready(LONG)
    scene.daemons[2].start()
    scene.wait_heard()
    wait_equal(scene)
    show(promise, scene, "one of three daemons stopped, another one killed", noticed)


def ready_times(server: RealServer) -> list[float]:
    """When a server was ready, by its own log."""
    found = re.findall(r"(\d+ \w+ \d{4} [\d:.]+) \* Ready to accept connections", server.log)
    times = [datetime.strptime(text, "%d %b %Y %H:%M:%S.%f").astimezone() for text in found]
    return [one.astimezone(timezone.utc).timestamp() for one in times]


def test_events_are_those_of_the_servers_logs(scene: Scene, promise: Promise) -> None:
    server = scene.servers[0]
    observer, fleet = scene.observer, scene.fleet
    observer.begin_phase()
    before = {one.query: newest(one) for one in scene.owners(server)}
    killed_at = time.time()
    server.kill()
    wait_until(lambda: fleet.state(server.ident)[0] == "down", LONG, "the server to be down")
    assert fleet.fresh(server.ident)
    server.start()
    wait_until(lambda: fleet.state(server.ident)[0] == "up", LONG, "the server to be up")
    ready_at = ready_times(server)[-1]
    for daemon in scene.owners(server):
        since = before[daemon.query]
        wait_until(partial(has_restarted, daemon, since, server), LONG, "the events")
        times = {event["type"]: event["time"] for event in events_after(daemon, since, server)}
        assert killed_at <= times["down"] <= times["up"]
        assert ready_at <= times["restarted"] + 0.01  # the log has milliseconds
    assert len(ready_times(server)) == 2
    show(promise, scene, "a server killed and restarted")


def has_restarted(daemon: RunningDaemon, number: int, server: RealServer) -> bool:
    """Whether a daemon has the events of a server that was killed and started again."""
    found = {event["type"] for event in events_after(daemon, number, server)}
    return {"down", "up", "restarted"} <= found


def newest(daemon: RunningDaemon) -> int:
    """The number of a daemon's newest event."""
    found: Any = daemon.ask("events").header["newest"]
    return int(found)


def events_after(daemon: RunningDaemon, number: int, server: RealServer) -> list[Any]:
    """The later events of a server."""
    body: Any = daemon.ask("events", since=number, ids=[server.ident]).body
    assert isinstance(body, list)
    return body


def test_a_fourth_daemon_is_added(scene: Scene, promise: Promise) -> None:
    scene.observer.begin_phase()
    for at, daemon in enumerate(scene.daemons):
        daemon.config_path.write_text(config(scene.servers, at, 4))
    scene.daemons[3].start()
    for number in range(3):
        scene.daemons[number].restart()
        wait_until(partial(has_four_slices, scene, number), LONG, "the daemon to be heard")
    scene.count = 4
    scene.wait_heard()
    assert {member.slice.count for member in scene.fleet.members if member.slice} == {4}
    assert set(scene.fleet) == {server.ident for server in scene.servers}
    wait_equal(scene)
    show(promise, scene, "from three daemons to four")


def has_four_slices(scene: Scene, number: int) -> bool:
    """Whether a daemon is heard, with its new slice."""
    member = scene.fleet.members[number]
    return not member.problem and member.slice is not None and member.slice.count == 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_faults_for_minutes(scene: Scene, promise: Promise) -> None:
    rng = random.Random(1)
    scene.observer.begin_phase()
    for _ in range(15):
        first, second = rng.sample(range(scene.count), 2)
        scene.daemons[first].kill()
        if rng.random() < 0.5:
            scene.daemons[second].suspend()
        if rng.random() < 0.7:
            scene.wait_unheard(first)
        scene.daemons[first].start()
        scene.daemons[second].resume()
        scene.wait_heard()
        wait_equal(scene)
    show(promise, scene, "15 random kills and stops")
