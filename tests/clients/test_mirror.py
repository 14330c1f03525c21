"""clients/mirror.py, with a real daemon and a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.clients.programs import Running, run
from tests.daemons import RunningDaemon
from tests.servers import RealServer


@pytest.fixture
def server() -> Iterator[RealServer]:
    with RealServer() as running:
        yield running


@pytest.fixture
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    with RunningDaemon([server.url], environ={"ZINFO_BUS_HEARTBEAT": "0.5"}) as running:
        running.wait_polled(1)
        yield running


def until(mirror: Running, pattern: str) -> str:
    """Skip to the next line that the pattern matches completely."""
    while True:
        line = mirror.line()
        if re.fullmatch(pattern, line):
            return line


def test_changes_events_and_staleness_are_printed(
    daemon: RunningDaemon, server: RealServer
) -> None:
    ident = re.escape(server.ident)
    with Running("mirror.py", f"--connect={daemon.query}", "--key=db0", "--key=role") as mirror:
        until(mirror, rf'{ident} revision \d+: role="master"')
        until(mirror, "current: 1 shards")
        client = server.client()
        client.set("a", 1)
        until(mirror, rf'{ident} revision \d+: db0={{"keys": 1, .*}}')
        client.delete("a")
        until(mirror, rf"{ident} revision \d+: db0 is gone")
        server.kill()
        until(mirror, rf"{ident} down refused")
        server.start()
        until(mirror, rf"{ident} up")
        daemon.kill()
        until(mirror, "stale: .+")
        daemon.start()
        until(mirror, "current: 1 shards")
        mirror.interrupt()
        assert mirror.end() == (130, "")


def test_an_unreachable_daemon_is_reported_in_one_line() -> None:
    done = run("mirror.py", "--connect=tcp://127.0.0.1:1", "--timeout=0.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mirror.py: no current copy of tcp://127.0.0.1:1 within 0.2 s: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--connect=nonsense"], ["--kies"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    done = run("mirror.py", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
