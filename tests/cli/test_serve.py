"""`zinfo serve`: where it listens, what it reads, how it logs and ends."""

from __future__ import annotations

import json
import re
import signal
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import QUICK, invoke, zinfo
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until

LOOPBACK = ("--query", "tcp://127.0.0.1:*", "--bus", "tcp://127.0.0.1:*")
LOG_LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (DEBUG|INFO|WARNING|ERROR|CRITICAL) zinfo\.[\w.]+: .+"


def log_with(daemon: RunningDaemon, text: str) -> str:
    """The daemon's log, once it has this text; it may answer before it has logged its start."""
    wait_until(lambda: text in daemon.log(), what=f"{text!r} in the log")
    return daemon.log()


def test_one_line_says_where_it_listens_and_how_many_shards_it_watches(server: RealServer) -> None:
    with RunningDaemon([server.url], xmlrpc=True) as daemon:
        (line,) = log_with(daemon, "watching").splitlines()
        assert re.fullmatch(LOG_LINE, line)
        assert daemon.query in line
        assert daemon.bus in line
        assert daemon.xmlrpc.strip("/").rpartition("/")[2] in line
        assert "watching 1 shard" in line


def test_ctrl_c_ends_it_in_order(server: RealServer) -> None:
    with RunningDaemon([server.url]) as daemon:
        daemon.wait_polled(1)
        daemon.signal(signal.SIGINT)
        wait_until(lambda: not daemon.running, what="its end")
        assert daemon.terminate() == 0
        assert daemon.log().endswith("INFO zinfo.daemon.daemon: stopped\n")


def test_with_json_every_line_of_the_log_is_an_object() -> None:
    dead = "redis://127.0.0.1:1"
    with RunningDaemon([dead], environ=QUICK, args=("--log-format=json",)) as daemon:
        log_with(daemon, "WARNING")
        assert daemon.terminate() == 0  # it gets SIGTERM
        entries = [json.loads(line) for line in daemon.log().splitlines()]
    assert {"time", "level", "logger", "message"} <= entries[0].keys()
    assert {entry["level"] for entry in entries} == {"INFO", "WARNING"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entries[0]["time"])
    assert entries[-1]["message"] == "stopped"


def test_the_log_level_is_obeyed() -> None:
    with RunningDaemon(["redis://127.0.0.1:1"], args=("--log-level=error",)) as daemon:
        assert daemon.terminate() == 0
        assert daemon.log() == ""


def test_without_shards_it_watches_its_machine() -> None:
    with RunningDaemon() as daemon:
        log_with(daemon, "looking for more on this machine")


def test_with_any_shards_or_local_disabled_it_does_not_watch_its_machine(
    server: RealServer,
) -> None:
    with RunningDaemon(environ={"ZINFO_SHARDS": server.url}) as daemon:
        assert "this machine" not in log_with(daemon, "watching 1 shard")
    with RunningDaemon(config_text="[local]\nenabled = false\n") as daemon:
        assert "this machine" not in log_with(daemon, "watching 0 shards")
        assert "there is nothing to poll" in daemon.log()


def test_with_any_source_it_does_not_watch_its_machine(tmp_path: Path) -> None:
    pattern = tmp_path / "*.json"
    with RunningDaemon(args=("--file", str(pattern), "--cluster=redis://u:hunter2@h")) as daemon:
        log = log_with(daemon, "watching 0 shards")
        assert "this machine" not in log
        assert "nothing to poll" not in log
        assert "--cluster: found a password, which process lists show" in log
        assert "hunter2" not in log


class _Evil(socketserver.BaseRequestHandler):
    """Answers every command with an error that would colour a terminal."""

    def handle(self) -> None:
        while self.request.recv(65536):
            self.request.sendall(b"-ERR evil \x1b[31m\x07\r\n")


@pytest.fixture(scope="module")
def evil() -> Iterator[str]:
    """The address of a server whose errors contain control characters."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Evil) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


FILE = '[[shards]]\nurl = "redis://127.0.0.1:1"\n[poll]\ntimeout = 30\n'


@pytest.fixture(scope="module")
def protected() -> Iterator[RealServer]:
    with RealServer(password="hunter2") as server:
        yield server


@pytest.fixture(scope="module")
def configured(protected: RealServer, evil: str) -> Iterator[RunningDaemon]:
    """A daemon with shards from flags, file and environment."""
    flags = [protected.url, f"redis://{evil}"]
    environ = {**QUICK, "ZINFO_SHARDS": "redis://127.0.0.1:2", "ZINFO_NOED": "x"}
    with RunningDaemon(flags, config_text=FILE, environ=environ) as daemon:
        daemon.wait_polled(1)
        yield daemon


def ids(daemon: RunningDaemon) -> set[str]:
    body = daemon.ask("shards").body
    assert isinstance(body, list)
    return {shard["id"] for shard in body}


def test_file_environment_and_flags_add_up_their_shards(
    configured: RunningDaemon, protected: RealServer, evil: str
) -> None:
    assert ids(configured) == {"127.0.0.1:1", "127.0.0.1:2", protected.ident, evil}


def test_sighup_reloads_the_file_and_keeps_the_options(configured: RunningDaemon) -> None:
    daemon, before = configured, ids(configured)
    after = before - {"127.0.0.1:1"} | {"127.0.0.1:3"}
    daemon.config_path.write_text(FILE.replace("127.0.0.1:1", "127.0.0.1:3"))
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: ids(daemon) == after, what="the new file's shards")
    daemon.config_path.write_text("[[shards]]\nurl = 5\n")
    daemon.signal(signal.SIGHUP)
    log_with(daemon, "shards[0].url")
    assert ids(daemon) == after
    daemon.config_path.write_text(FILE)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: ids(daemon) == before, what="the first file's shards")


def test_a_password_on_the_command_line_works_is_warned_about_and_never_shown(
    configured: RunningDaemon,
) -> None:
    log = configured.log()  # the daemon has polled the server that requires it
    assert "--shard: found a password, which process lists show" in log
    assert "password_file" in log
    assert "hunter2" not in log


def test_an_unknown_variable_is_reported(configured: RunningDaemon) -> None:
    assert "ZINFO_NOED: unknown variable, did you mean ZINFO_NODE?" in configured.log()


def test_text_from_a_server_is_escaped_and_stays_in_its_line(
    configured: RunningDaemon, evil: str
) -> None:
    wait_until(
        lambda: re.search(rf"{evil}: .* \(3 failures", configured.log()),
        what="the error in the log",
    )
    log = configured.log()
    outputs = [log, *(invoke(name, daemon=configured).stdout for name in ("shards", "events"))]
    assert all(re.fullmatch(LOG_LINE, line) for line in log.splitlines())
    for text in outputs:
        assert "evil \\x1b[31m" in text
        assert "\x1b" not in text
        assert "\x07" not in text


def test_invalid_options_are_all_reported_one_per_line() -> None:
    done = zinfo("serve", "--shard", "db-1", "--query", "9736", "--config", "/nonexistent.toml")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["Error", "/nonexistent.toml"],
        ["Error", "--shard"],
        ["Error", "--query"],
    ]


def test_an_address_that_is_taken_is_one_line_and_exit_code_1(server: RealServer) -> None:
    taken = f"tcp://{server.ident}"
    done = zinfo("serve", *LOOPBACK, "--query", taken)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(LOG_LINE, line)
    assert f"cannot start: query endpoint: cannot listen at {taken}" in line
