"""The demo's parts, one by one and in this process: servers, load, outages, daemon, keeper."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server_kinds import available_kinds
from tests.waiting import wait_until
from zinfo.demo import feed, reaper, servers
from zinfo.demo.children import Children
from zinfo.demo.daemon_process import ServingDaemon
from zinfo.demo.feed import Watch
from zinfo.demo.load import CYCLE, PHASES, Load, phase_at
from zinfo.demo.outages import DOWN, EVERY, FIRST, Outages
from zinfo.demo.program import ServerProgram
from zinfo.demo.servers import EmbeddedServer, start_servers
from zinfo.errors import EnvironmentNotReadyError, NoAnswerError

pytestmark = pytest.mark.skipif(not available_kinds(), reason="no server program")


SLEEP = "import time; time.sleep(60)"
"""A child that does nothing but be there, to be ended."""


def never() -> bool:
    return False


@pytest.fixture
def children() -> Iterator[Children]:
    with Children() as made:
        yield made
    assert not made.directory.exists()


@pytest.fixture
def program() -> ServerProgram:
    kind = available_kinds()[0]
    return ServerProgram(kind.binary, kind.name)


@pytest.fixture
def server(program: ServerProgram, children: Children) -> EmbeddedServer:
    (made,) = start_servers(program, 1, children, never)
    return made


def test_the_last_of_three_servers_is_a_replica_and_all_are_bounded(
    program: ServerProgram, children: Children
) -> None:
    started = start_servers(program, 3, children, never)
    for server in started:
        with contextlib.closing(server.client()) as client:
            assert client.config_get("maxmemory") == {"maxmemory": str(64 << 20)}
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
            expected = "slave" if server is started[2] else "master"
            assert client.info("replication")["role"] == expected


def test_a_port_that_was_taken_meanwhile_is_not_used(
    program: ServerProgram, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "REPLY_SECONDS", 0.1)
    free = servers.free_port()
    with socket.create_server((servers.HOST, 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr(servers, "free_port", iter([taken, free]).__next__)
        (server,) = start_servers(program, 1, children, never)
    assert server.port == free


def test_when_every_port_is_taken_the_demo_gives_up(
    program: ServerProgram, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "REPLY_SECONDS", 0.1)
    monkeypatch.setattr(servers, "_PORT_TRIES", 2)
    with socket.create_server((servers.HOST, 0)) as other:
        monkeypatch.setattr(servers, "free_port", lambda: other.getsockname()[1])
        with pytest.raises(EnvironmentNotReadyError, match="no free port"):
            start_servers(program, 1, children, never)


def test_somebody_else_s_server_on_the_port_is_not_taken_for_ours(server: EmbeddedServer) -> None:
    ours = EmbeddedServer(server._program, server._children, "ours")
    ours.port = server.port
    ours._process = server._children.start([sys.executable, "-c", SLEEP], server._log)
    assert not ours.ready()


def test_a_server_that_does_not_start_is_told_with_its_last_words(
    children: Children, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho first\necho it is broken\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(EnvironmentNotReadyError, match="broken-1 does not start: it is broken"):
        start_servers(ServerProgram(broken, "broken-1"), 1, children, never)


def test_a_server_that_never_answers_is_given_up(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_START_SECONDS", 0.2)
    sleeper = ServerProgram(Path(sys.executable), "sleeper")
    monkeypatch.setattr(
        EmbeddedServer,
        "_command",
        lambda _: [sleeper.path, "-c", SLEEP],
    )
    with pytest.raises(EnvironmentNotReadyError, match="does not answer"):
        start_servers(sleeper, 1, children, never)


def test_whoever_wants_to_end_does_not_wait_for_servers(
    program: ServerProgram, children: Children
) -> None:
    assert len(start_servers(program, 2, children, lambda: True)) == 2


def test_outages_kill_in_turn_and_start_again_at_the_same_port(
    program: ServerProgram, children: Children
) -> None:
    first, second = started = start_servers(program, 2, children, never)
    ports = [server.port for server in started]
    outages = Outages(started)
    outages.step(FIRST - 0.1)
    assert (first.running, second.running) == (True, True)
    outages.step(FIRST)
    assert (first.running, second.running) == (True, False)
    outages.step(FIRST + 0.1)
    outages.step(FIRST + DOWN)
    assert not second.running
    outages.step(FIRST + DOWN + 0.1)
    wait_until(second.ready, what="the second server")
    outages.step(FIRST + EVERY)
    assert (first.running, second.running) == (False, True)
    assert [server.port for server in started] == ports


def test_load_comes_in_phases_at_different_times_for_different_servers() -> None:
    assert [phase.name for phase in PHASES] == ["busy", "burst", "idle"]
    for index in range(6):
        names = [phase_at(index, step / 10).name for step in range(int(CYCLE * 10))]
        assert set(names) == {"busy", "burst", "idle"}
        assert phase_at(index, CYCLE + 0.05) == phase_at(index, 0.05)
    assert phase_at(0, 0).name != phase_at(1, 0).name


def test_load_makes_hits_misses_expiring_keys_and_several_clients(server: EmbeddedServer) -> None:
    with contextlib.closing(server.client()) as client:
        with Load([server]):
            wait_until(lambda: client.info("stats")["keyspace_misses"], what="misses")
            wait_until(lambda: client.info("stats")["keyspace_hits"], what="hits")
            wait_until(lambda: client.info("keyspace")["db0"]["expires"], what="keys that expire")
            wait_until(lambda: client.info("clients")["connected_clients"] > 3, what="clients")
        wait_until(lambda: client.info("clients")["connected_clients"] == 1, what="no clients")


def test_load_goes_on_when_its_server_comes_back(server: EmbeddedServer) -> None:
    with Load([server]):
        server.kill()
        server.start()
        wait_until(server.ready, what="the server")
        with contextlib.closing(server.client()) as client:
            wait_until(client.dbsize, what="keys")


def test_a_daemon_that_does_not_start_is_told_with_its_last_words(children: Children) -> None:
    daemon = ServingDaemon(children, ["redis://no host"])
    with pytest.raises(EnvironmentNotReadyError, match=r"does not start; exit code 2, .*--shard"):
        daemon.wait(never)


def test_a_watch_without_a_daemon_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_READY_SECONDS", 0.1)
    with Watch("tcp://127.0.0.1:1") as watch, pytest.raises(NoAnswerError):
        watch.wait_ready(never)
    watch.wait_ready(lambda: True)


def test_what_a_silent_daemon_said_last_is_stale_and_grows_old(
    server: EmbeddedServer, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_ANSWER_SECONDS", 0.5)
    daemon = ServingDaemon(children, [server.url])
    daemon.wait(never)
    with Watch(daemon.query) as watch:
        watch.wait_ready(never)

        def polled() -> bool:
            watch.look()
            return bool(watch.rows) and math.isfinite(watch.rows[0].age)

        wait_until(polled, what="the first INFO")
        assert (watch.problem, [row.stale for row in watch.rows]) == ("", [False])
        os.kill(daemon._process.pid, signal.SIGSTOP)
        ages = []
        for _ in range(2):
            watch.look()
            ages.append(watch.rows[0].age)
        assert watch.problem.startswith(f"no answer from {daemon.query}")
        assert watch.rows[0].stale
        assert ages[0] < ages[1]


def test_the_keeper_kills_the_groups_it_knows_and_no_others(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLEEP]
    known, ended = (subprocess.Popen(command, start_new_session=True) for _ in range(2))
    try:
        reaper.keep([f"+{known.pid}", f"+{ended.pid}", f"-{ended.pid}"], tmp_path)
        assert known.wait(10) == -signal.SIGKILL
        assert ended.poll() is None
    finally:
        ended.kill()
        ended.wait()
    assert not tmp_path.exists()


def test_the_keeper_leaves_a_terminal_alone_that_is_normal_again(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    try:
        path = os.ttyname(theirs)
        reaper.keep([f"screen {path}", "normal"], tmp_path)
        reaper.keep([f"screen {path}"], tmp_path)
        assert os.read(ours, 1000) == reaper.LEAVE_SCREEN + reaper.SHOW_CURSOR
    finally:
        os.close(ours)
        os.close(theirs)
