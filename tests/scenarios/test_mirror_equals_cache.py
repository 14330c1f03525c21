"""A Mirror equals the daemon's cache, field by field, after restarts, stops and losses."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.daemons import ROOT, RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Mirror

SERVERS = 5
QUICK = {
    "ZINFO_POLL_MIN_INTERVAL": "0.05",
    "ZINFO_POLL_MAX_INTERVAL": "0.3",
    "ZINFO_POLL_INTERVAL_STEP": "0.05",
    "ZINFO_POLL_TIMEOUT": "30",
}
LONG = 60.0
"""Seconds after which a wait fails; it only ends a test that hangs."""


@contextlib.contextmanager
def under_load(servers: list[RealServer]) -> Iterator[None]:
    """Change many fields of all servers continuously."""
    over = threading.Event()

    def work() -> None:
        clients = [redis.Redis(port=server.port) for server in servers]
        rng = random.Random(1)
        while not over.is_set():
            name = f"k{rng.randrange(50)}"
            command: list[Any] = rng.choice(
                [
                    ["SET", name, "x" * rng.randrange(1000)],
                    ["GET", name],
                    ["DEL", name],
                    ["LPUSH", "list", "v"],
                    ["SELECT", rng.randrange(3)],
                    ["FLUSHDB"],
                    ["GET"],  # an error
                ]
            )
            with contextlib.suppress(redis.RedisError):
                rng.choice(clients).execute_command(*command)
            over.wait(0.002)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RealServer]]:
    """Servers whose fields change all the time."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(RealServer()) for _ in range(SERVERS)]
        stack.enter_context(under_load(servers))
        yield servers


def config(servers: list[RealServer], turn: int = 0) -> str:
    label = f'labels = {{ turn = "{turn}" }}'
    return "".join(f'[[shards]]\nurl = "{one.url}"\n{label}\n' for one in servers)


@pytest.fixture(scope="module")
def daemon(servers: list[RealServer]) -> Iterator[RunningDaemon]:
    with RunningDaemon(config_text=config(servers), environ=QUICK) as daemon:
        daemon.wait_polled(SERVERS)
        yield daemon


@pytest.fixture
def mirror(daemon: RunningDaemon) -> Iterator[Mirror]:
    """A fresh Mirror."""
    with Mirror(daemon.query) as mirror:
        mirror.wait_ready(LONG)
        wait_until(lambda: fresh(mirror), LONG, "all shards")
        yield mirror


def cache(daemon: RunningDaemon) -> dict[str, tuple[int, Any]]:
    entries: Any = daemon.ask("snapshot").body
    return {entry["shard"]: (entry["revision"], entry["info"]) for entry in entries}


def labels(daemon: RunningDaemon) -> dict[str, Any]:
    entries: Any = daemon.ask("shards").body
    return {entry["id"]: entry["labels"] for entry in entries}


def types(info: dict[str, Any]) -> dict[str, type]:
    """The type of each field: 1 and 1.0 are equal."""
    return {name: type(value) for name, value in info.items()}


def compare(mirror: Mirror, daemon: RunningDaemon) -> int:
    """Compare shards with equal revisions; return their number."""
    theirs = cache(daemon)
    assert set(mirror) <= set(theirs)
    same = 0
    deadline = time.monotonic() + 2
    for shard_id, (revision, info) in theirs.items():
        while time.monotonic() < deadline:  # the delta may be a moment behind the reply
            view = mirror.view(shard_id)
            if view.revision >= revision:
                break
            time.sleep(0.002)
        if view.fresh and view.revision == revision:
            assert view.info is not None
            assert view.info == info, f"{shard_id} differs at revision {revision}"
            assert types(view.info) == types(info)
            same += 1
    return same


def equal_for_a_while(mirror: Mirror, daemon: RunningDaemon, least: int = 30) -> None:
    """Compare until `least` shards were compared at equal revisions."""
    compared = 0
    deadline = time.monotonic() + LONG
    while compared < least:
        assert time.monotonic() < deadline, f"only {compared} comparisons"
        compared += compare(mirror, daemon)


def fresh(mirror: Mirror, count: int = SERVERS) -> bool:
    return not mirror.stale and len(mirror) == count and not mirror.stale_shards


def test_joined_at_any_moment_under_load(daemon: RunningDaemon) -> None:
    for _ in range(5):
        with Mirror(daemon.query) as mirror:
            mirror.wait_ready(LONG)
            equal_for_a_while(mirror, daemon, 10)
        time.sleep(random.random() * 0.2)  # the moment, not a readiness check


def test_labels_changed_by_reloads_under_load(
    servers: list[RealServer], daemon: RunningDaemon, mirror: Mirror
) -> None:
    for turn in range(1, 6):
        daemon.config_path.write_text(config(servers, turn))
        daemon.signal(signal.SIGHUP)
        wanted = {one.ident: {"turn": str(turn)} for one in servers}
        # B023: both functions are called in this iteration, with its values.
        wait_until(lambda: labels(daemon) == wanted, LONG, "the labels at the daemon")  # noqa: B023
        wait_until(
            lambda: fresh(mirror) and {s: mirror.labels(s) for s in mirror} == wanted,  # noqa: B023
            LONG,
            "the same labels in a fresh mirror",
        )
    equal_for_a_while(mirror, daemon)


def test_after_the_daemon_was_killed_and_restarted(daemon: RunningDaemon, mirror: Mirror) -> None:
    epoch = mirror.epoch
    daemon.kill()
    wait_until(lambda: mirror.stale, LONG, "the mirror to be stale")
    daemon.start()
    wait_until(lambda: mirror.epoch != epoch and fresh(mirror), LONG, "a fresh mirror")
    equal_for_a_while(mirror, daemon)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [0, pytest.param(10, marks=pytest.mark.slow)])
def test_after_the_daemon_was_stopped_for_a_while(
    daemon: RunningDaemon, mirror: Mirror, seconds: int
) -> None:
    daemon.suspend()
    try:
        begun = time.monotonic()
        wait_until(lambda: mirror.stale, LONG, "the mirror to be stale")
        wait_until(lambda: time.monotonic() - begun >= seconds, what=f"{seconds} seconds")
        assert mirror.stale
    finally:
        daemon.resume()
    wait_until(lambda: fresh(mirror), LONG, "a fresh mirror")
    equal_for_a_while(mirror, daemon)


MIRROR_PROGRAM = """
import json, sys
from zinfo.client import Mirror
with Mirror(sys.argv[1]) as mirror:
    mirror.wait_ready(60)
    for line in sys.stdin:
        views = {shard: mirror.view(shard) for shard in mirror}
        held = {shard: [view.revision, view.info, view.fresh] for shard, view in views.items()}
        print(json.dumps([mirror.stale, held]), flush=True)
"""


class MirrorProcess:
    """A Mirror in a separate process, which can be stopped."""

    def __init__(self, endpoint: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", MIRROR_PROGRAM, endpoint],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def look(self) -> tuple[bool, dict[str, Any]]:
        """Return whether it is stale, and revision, INFO and freshness by shard."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("look\n")
        self.process.stdin.flush()
        stale, held = json.loads(self.process.stdout.readline())
        return stale, held

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_after_the_mirror_was_stopped_for_ten_seconds(servers: list[RealServer]) -> None:
    few = {**QUICK, "ZINFO_BUS_HIGH_WATER_MARK": "20"}  # so that many messages are lost
    with (
        RunningDaemon([s.url for s in servers], environ=few) as daemon,
        contextlib.closing(MirrorProcess(daemon.query)) as mirror,
    ):
        daemon.wait_polled(SERVERS)

        def is_fresh() -> bool:
            stale, held = mirror.look()
            return not stale and len(held) == SERVERS and all(view[2] for view in held.values())

        wait_until(is_fresh, LONG, "a fresh mirror")
        mirror.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 10, what="ten seconds")
        mirror.process.send_signal(signal.SIGCONT)
        compared, deadline = 0, time.monotonic() + LONG
        while compared < 20 or not is_fresh():
            assert time.monotonic() < deadline, f"{compared} comparisons"
            theirs = cache(daemon)
            for shard_id, (revision, info, shard_fresh) in mirror.look()[1].items():
                if shard_fresh and revision == theirs[shard_id][0]:
                    assert info == theirs[shard_id][1], f"{shard_id} differs at {revision}"
                    compared += 1
