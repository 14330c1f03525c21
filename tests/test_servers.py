"""RealServer and other tools of the tests: they report failures, and leave nothing behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import ServerFactory
from tests.servers import RealServer, ServerError, ServerKind, free_port, put_load
from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent


def test_each_kind_reports_the_version_in_its_name(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    server = server_factory(each_kind)
    assert server.cli("PING") == b"+PONG\r\n"
    name, _, version = each_kind.name.partition("-")
    field = "valkey_version" if name == "valkey" else "redis_version"
    assert f"\r\n{field}:{version}.".encode() in server.info_text()
    assert each_kind.version == tuple(map(int, version.split(".")))


def test_a_server_on_a_unix_socket_with_a_password_replies_to_client_and_cli(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(unixsocket=True, password="p@ss/word")
    assert server.client().ping()
    assert server.cli("ECHO", b"\x00\r\n") == b"$3\r\n\x00\r\n\r\n"
    assert server.url == f"unix://:p%40ss%2Fword@{server.socket_path}"
    assert server.port == 0
    assert len(server.ident) < 40


def test_nested_replies_are_read_completely(server: RealServer) -> None:
    reply = server.cli("EVAL", "return {1, {2, 'x'}, false, {}}", 0)
    assert reply == b"*4\r\n:1\r\n*2\r\n:2\r\n$1\r\nx\r\n$-1\r\n*0\r\n"


def test_a_restart_keeps_the_port_and_changes_the_process(server: RealServer) -> None:
    port, pid = server.port, server.pid
    client = server.client()
    assert client.ping()
    server.restart()
    assert (server.port, server.pid != pid) == (port, True)
    assert client.ping()


def test_a_killed_server_can_be_started_again(server: RealServer) -> None:
    server.kill()
    assert not server.running
    with pytest.raises(ConnectionRefusedError):
        server.cli("PING")
    server.start()
    assert server.cli("PING") == b"+PONG\r\n"


def test_a_suspended_server_can_be_resumed_and_stopped(server: RealServer) -> None:
    server.suspend()
    process = psutil.Process(server.pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, what="the server to be stopped")
    server.resume()
    assert server.cli("PING") == b"+PONG\r\n"
    server.suspend()
    server.stop()
    assert not server.running
    assert "User requested shutdown" in server.log


def test_a_port_in_use_is_an_error_unless_another_can_be_chosen(server: RealServer) -> None:
    with pytest.raises(ServerError, match="Address already in use"):
        RealServer(port=server.port).__enter__()
    other = RealServer()
    ports = iter([server.port, free_port()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.servers.free_port", lambda: next(ports))
        with other:
            assert other.port != server.port
            assert other.cli("PING") == b"+PONG\r\n"


def test_the_error_of_a_server_that_does_not_start_has_its_output() -> None:
    broken = RealServer(args=("--no-such-option", "1"))
    with pytest.raises(ServerError, match="no-such-option"):
        broken.__enter__()
    assert not broken.directory.exists()


def test_a_server_that_is_never_started_leaves_no_directory() -> None:
    assert not RealServer(unixsocket=True).directory.exists()


def test_the_load_has_at_least_thirteen_kinds_of_commands_and_an_error(server: RealServer) -> None:
    server.cli("CONFIG", "RESETSTAT")
    put_load(server.client())
    stats = server.info_text("commandstats")
    assert stats.count(b"cmdstat_") >= 13
    assert b"errorstat_WRONGTYPE" in server.info_text("errorstats")


def test_a_server_dies_with_the_process_that_started_it() -> None:
    program = (
        "from tests.servers import RealServer\n"
        "server = RealServer().start()\n"
        "print(server.pid, server.directory, flush=True)\n"
        "input()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout
        pid, directory = owner.stdout.readline().split()
        child = psutil.Process(int(pid))
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not child.is_running(), what="the server to die")
    shutil.rmtree(directory)


def test_a_server_can_be_used_in_a_process_that_gevent_has_patched() -> None:
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import gevent\n"
        "from tests.servers import RealServer\n"
        "with RealServer() as one, RealServer(unixsocket=True) as two:\n"
        "    jobs = [gevent.spawn(s.client().ping) for s in (one, two)]\n"
        "    gevent.joinall(jobs, raise_error=True)\n"
        "    one.restart(); two.suspend(); two.kill(); two.start()\n"
        "    one.stop()\n"
        "    print(two.cli('PING'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'+PONG\\r\\n'\n", "")


def test_wait_until_names_its_condition_and_returns_its_value() -> None:
    seen = iter([0, "", "there"])
    assert wait_until(lambda: next(seen), what="it") == "there"
    with pytest.raises(AssertionError, match=r"waited \d+\.\d s for the moon; last seen: 0"):
        wait_until(lambda: 0, timeout=0.05, what="the moon")
