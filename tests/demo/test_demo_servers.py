"""The demo's parts, one by one and in this process: servers, load, outages, daemon, reaper."""

from __future__ import annotations

import contextlib
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
from zinfo.demo.daemon_process import DaemonProcess
from zinfo.demo.feed import BACK_UP, DemoFeed
from zinfo.demo.load import CYCLE, PHASES, Load, phase_at
from zinfo.demo.outages import DOWN_SECONDS, FIRST_KILL, KILL_INTERVAL, Outages
from zinfo.demo.program import ServerProgram
from zinfo.demo.servers import EmbeddedServer, start_servers
from zinfo.errors import EnvironmentNotReadyError, NoAnswerError

pytestmark = pytest.mark.skipif(not available_kinds(), reason="no server program")


SLEEP = "import time; time.sleep(60)"
"""A child that does nothing but wait to be ended."""


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


def test_a_port_that_another_program_took_is_not_used(
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


def test_a_foreign_server_on_the_port_is_not_taken_for_ours(server: EmbeddedServer) -> None:
    ours = EmbeddedServer(server._program, server._children, "ours")
    ours.port = server.port
    ours._process = server._children.start([sys.executable, "-c", SLEEP], server._log)
    assert not ours.ready()


def test_a_server_that_does_not_start_is_an_error_with_its_last_output(
    children: Children, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho first\necho it is broken\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(EnvironmentNotReadyError, match="broken-1 does not start: it is broken"):
        start_servers(ServerProgram(broken, "broken-1"), 1, children, never)


def test_a_server_that_never_answers_is_an_error(
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


def test_after_a_stop_signal_the_demo_does_not_wait_for_servers(
    program: ServerProgram, children: Children
) -> None:
    assert len(start_servers(program, 2, children, lambda: True)) == 2


def test_outages_kill_servers_in_turn_and_restart_them_on_the_same_port(
    program: ServerProgram, children: Children
) -> None:
    first, second = started = start_servers(program, 2, children, never)
    ports = [server.port for server in started]
    outages = Outages(started)
    outages.step(FIRST_KILL - 0.1)
    assert (first.running, second.running) == (True, True)
    outages.step(FIRST_KILL)
    assert (first.running, second.running) == (True, False)
    outages.step(FIRST_KILL + 0.1)
    outages.step(FIRST_KILL + DOWN_SECONDS)
    assert not second.running
    outages.step(FIRST_KILL + DOWN_SECONDS + 0.1)
    wait_until(second.ready, what="the second server")
    outages.step(FIRST_KILL + KILL_INTERVAL)
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


def test_load_continues_when_its_server_comes_back(server: EmbeddedServer) -> None:
    with Load([server]):
        server.kill()
        server.start()
        wait_until(server.ready, what="the server")
        with contextlib.closing(server.client()) as client:
            wait_until(client.dbsize, what="keys")


def test_a_daemon_that_does_not_start_is_an_error_with_its_last_log_line(
    children: Children,
) -> None:
    daemon = DaemonProcess(children, ["redis://no host"])
    with pytest.raises(EnvironmentNotReadyError, match=r"does not start; exit code 2, .*--shard"):
        daemon.wait(never)


def test_a_feed_without_a_daemon_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_READY_SECONDS", 0.1)
    with DemoFeed("tcp://127.0.0.1:1") as found, pytest.raises(NoAnswerError):
        found.wait_ready(never)
    found.wait_ready(lambda: True)


def test_shards_of_a_silent_daemon_are_stale_and_their_age_grows(
    server: EmbeddedServer, children: Children
) -> None:
    daemon = DaemonProcess(children, [server.url])
    daemon.wait(never)
    with DemoFeed(daemon.query) as found:
        found.wait_ready(never)

        def polled() -> bool:
            found.update()
            return bool(found.rows) and found.rows[0].current

        wait_until(polled, what="the first INFO")
        assert found.problem == ""
        os.kill(daemon._process.pid, signal.SIGSTOP)

        def stale() -> bool:
            found.update()
            return bool(found.problem)

        wait_until(stale, what="the problem")
        assert found.rows[0].status == "stale"
        age = found.rows[0].age
        wait_until(lambda: stale() and found.rows[0].age > age, what="a greater age")


def test_events_are_shown_in_order_and_each_is_counted_once(
    server: EmbeddedServer, children: Children
) -> None:
    daemon = DaemonProcess(children, [server.url])
    daemon.wait(never)
    with DemoFeed(daemon.query) as found:
        found.wait_ready(never)

        def counted(what: str) -> bool:
            found.update()
            return found.counts[what] > 0

        wait_until(lambda: counted("up"), what="the server to be up")
        server.kill()
        wait_until(lambda: counted("down"), what="the server to be down")
        server.start()
        wait_until(lambda: counted(BACK_UP), what="the server to be up again")
        numbers = [event.number for event in found.events]
        assert numbers == list(range(1, len(numbers) + 1))
        assert found.counts.total() == len(numbers)
        assert found.counts["added"] == found.counts["down"] == 1


def test_the_reaper_kills_the_process_groups_it_knows_and_no_others(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLEEP]
    known, ended = (subprocess.Popen(command, start_new_session=True) for _ in range(2))
    try:
        reaper.follow([f"+{known.pid}", f"+{ended.pid}", f"-{ended.pid}"], tmp_path)
        assert known.wait(10) == -signal.SIGKILL
        assert ended.poll() is None
    finally:
        ended.kill()
        ended.wait()
    assert not tmp_path.exists()


def test_the_reaper_restores_only_a_terminal_that_shows_the_demo(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    try:
        path = os.ttyname(theirs)
        reaper.follow([f"screen {path}", "normal"], tmp_path)
        reaper.follow([f"screen {path}"], tmp_path)
        assert os.read(ours, 1000) == reaper.LEAVE_ALTERNATE_SCREEN + reaper.SHOW_CURSOR
    finally:
        os.close(ours)
        os.close(theirs)
