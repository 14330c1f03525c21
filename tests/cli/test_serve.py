"""`zinfo serve`: where it listens, what it reads, how it logs and ends."""

from __future__ import annotations

import json
import re
import signal
import socketserver
import threading
import time
from collections.abc import Iterator

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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_within_two_seconds(
    server: RealServer, number: signal.Signals
) -> None:
    with RunningDaemon([server.url]) as daemon:
        daemon.wait_polled(1)
        asked_at = time.monotonic()
        daemon.signal(number)
        wait_until(lambda: not daemon.running, what="its end")
        assert time.monotonic() - asked_at < 2
        assert daemon.terminate() == 0
        assert daemon.log().endswith("INFO zinfo.daemon.daemon: stopped\n")


def test_with_json_every_line_of_the_log_is_an_object() -> None:
    dead = "redis://127.0.0.1:1"
    with RunningDaemon([dead], environ=QUICK, args=("--log-format=json",)) as daemon:
        log_with(daemon, "WARNING")
        daemon.terminate()
        entries = [json.loads(line) for line in daemon.log().splitlines()]
    assert {"time", "level", "logger", "message"} <= entries[0].keys()
    assert {entry["level"] for entry in entries} == {"INFO", "WARNING"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entries[0]["time"])


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


def test_file_environment_and_flags_add_up_their_shards(server: RealServer) -> None:
    config = '[[shards]]\nurl = "redis://127.0.0.1:1"\n[poll]\ntimeout = 1\n'
    with RunningDaemon(
        [server.url], config_text=config, environ={"ZINFO_SHARDS": "redis://127.0.0.1:2"}
    ) as daemon:
        body = daemon.ask("shards").body
        assert isinstance(body, list)
        assert [shard["id"] for shard in body] == sorted(
            ["127.0.0.1:1", "127.0.0.1:2", server.ident]
        )


def test_sighup_reloads_the_file_and_keeps_the_options(server: RealServer) -> None:
    with RunningDaemon(
        [server.url], config_text='[[shards]]\nurl = "redis://127.0.0.1:1"\n'
    ) as daemon:

        def ids() -> set[str]:
            body = daemon.ask("shards").body
            assert isinstance(body, list)
            return {shard["id"] for shard in body}

        daemon.config_path.write_text('[[shards]]\nurl = "redis://127.0.0.1:2"\n')
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: ids() == {"127.0.0.1:2", server.ident}, what="the new file's shards")
        daemon.config_path.write_text("[[shards]]\nurl = 5\n")
        daemon.signal(signal.SIGHUP)
        log_with(daemon, "shards[0].url")
        assert ids() == {"127.0.0.1:2", server.ident}


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


def test_a_password_on_the_command_line_works_is_warned_about_and_never_shown() -> None:
    with RealServer(password="hunter2") as server, RunningDaemon([server.url]) as daemon:
        daemon.wait_polled(1)
        assert "--shard: found a password, which process lists show" in daemon.log()
        assert "password_file" in daemon.log()
        assert "hunter2" not in daemon.log()


def test_an_unknown_variable_is_reported() -> None:
    with RunningDaemon(["redis://127.0.0.1:1"], environ={"ZINFO_NOED": "x"}) as daemon:
        assert "ZINFO_NOED: unknown variable, did you mean ZINFO_NODE?" in daemon.log()


class _Evil(socketserver.BaseRequestHandler):
    """Answers every command with an error that would colour a terminal."""

    def handle(self) -> None:
        while self.request.recv(65536):
            self.request.sendall(b"-ERR evil \x1b[31m\x07\r\n")


@pytest.fixture
def evil() -> Iterator[str]:
    """The address of a server whose errors contain control characters."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Evil) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_text_from_a_server_is_escaped_and_stays_in_its_line(evil: str) -> None:
    with RunningDaemon([f"redis://{evil}"], environ=QUICK) as daemon:
        log = log_with(daemon, "3 failures")
        outputs = [log, *(invoke(name, daemon=daemon).stdout for name in ("shards", "events"))]
    assert all(re.fullmatch(LOG_LINE, line) for line in log.splitlines())
    for text in outputs:
        assert "evil \\x1b[31m" in text
        assert "\x1b" not in text
        assert "\x07" not in text
