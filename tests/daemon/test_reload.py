"""Reading the configuration in a separate process gives the same result as in this one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest

from tests.waiting import wait_until
from zinfo.config import Config, load_config
from zinfo.config.loader_process import FirstPiece, Problems, Request, pieces
from zinfo.daemon.reload import Reloader, read_config
from zinfo.errors import ConfigError
from zinfo.loop.yielding import CooperativeYield

FULL = """
node = "here"
[local]
labels = { a = "b" }
[poll]
timeout = 2.5
[bus]
endpoint = "ipc:///tmp/bus"
[metrics]
include = ["redis_*"]
labels = []
[http]
listen = "127.0.0.1:0"
token_file = "tokens"
[clients.one]
shards = ["db-"]
operations = ["stats"]
hidden_fields = ["executable"]
[clients.two]
[guard]
hold = 5
[credentials.orders]
password_file = "orders"
hosts = ["*.example.net"]
[[sources]]
type = "cluster"
seeds = ["rediss://a.example.net"]
credentials = "orders"
[[sources]]
type = "file"
files = ["shards/*.json"]
[[shards]]
url = "rediss://user:secret@db-1:6379"
id = "one"
labels = { role = "cache", "x y" = "é" }
check_hostname = false
max_interval = 7
[[shards]]
url = "unix:///tmp/s"
username = "someone"
password_env = "PASSWORD"
"""

FLAGS: dict[str, tuple[str, object]] = {
    "--shard": ("shards", ("redis://:other-secret@db-2:6379",)),
    "--sentinel": ("sources.sentinel", ("redis://:sentinel-secret@s1",)),
    "--query": ("query.endpoint", "tcp://127.0.0.1:1234"),
    "--bus": ("bus.endpoint", None),
    "--insecure": ("security.insecure", True),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "zinfo.toml"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A FIFO, whose reader blocks until the test writes."""
    path = tmp_path / "fifo.toml"
    os.mkfifo(path, 0o600)
    return path


def children() -> list[psutil.Process]:
    """The loader processes that are running."""
    found = []
    for child in psutil.Process().children():
        if "loader_process" in " ".join(child.cmdline()):
            found.append(child)
    return found


def wait_child() -> psutil.Process:
    (child,) = wait_until(children, what="the process", sleep=gevent.sleep)
    return child


def raised(call: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        call()
    return list(caught.value.problems)


def test_the_other_process_reads_the_same_configuration(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZINFO_SHARDS", "redis://:third@db-3 redis://db-4")
    monkeypatch.setenv("ZINFO_POLL_LOG_AFTER_FAILURES", "7")
    many = "".join(f'[[shards]]\nurl = "redis://many:{port}"\n' for port in range(1000, 1100))
    for text in ("", FULL, FULL + many):
        file.write_text(text)
        here, there = load_config(file, os.environ, FLAGS), read_config(file, FLAGS).config
        assert there == here
        for one, other in ((here, there), *zip(here.shards, there.shards, strict=True)):
            assert one.model_fields_set == other.model_fields_set
        assert [one.login for one in there.sources] == [one.login for one in here.sources]
        assert [shard.password for shard in there.shards] == [one.password for one in here.shards]
    assert isinstance(there, Config)


@pytest.mark.parametrize(
    "text", ["[poll]\ntimeout = 'soon'\nx = 1\nmin_interval = 9\n", "[[x", None]
)
def test_the_other_process_reports_the_same_problems(text: str | None, file: Path) -> None:
    if text is not None:
        file.write_text(text)
    here = raised(lambda: load_config(file, os.environ, FLAGS))
    assert raised(lambda: read_config(file, FLAGS)) == here


def test_other_greenlets_run_during_a_read_and_between_its_pieces(
    fifo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f'[[shards]]\nurl = "redis://many:{port}"\n' for port in range(1000, 1200))
    turns: list[None] = []
    monkeypatch.setattr(CooperativeYield, "maybe_yield", lambda _: turns.append(None))
    reader = gevent.spawn(read_config, fifo, {})
    wait_child()  # this greenlet runs while the other waits for the file
    gevent.get_hub().threadpool.apply(fifo.write_text, (text,))
    assert len(reader.get(timeout=60).config.shards) == 200
    assert len(turns) >= 10


def test_a_piece_is_small_even_if_the_configuration_is_large(file: Path) -> None:
    file.write_text("".join(f'[[shards]]\nurl = "redis://h:{port}"\n' for port in range(1, 1001)))
    head, *rest = pieces(Request(file, {}), {})
    assert isinstance(head, FirstPiece)
    assert head.config.shards == ()
    assert all(isinstance(piece, list) and len(piece) <= 20 for piece in rest)
    file.write_text("x")
    (problems,) = pieces(Request(file, {}), {})
    assert isinstance(problems, Problems)


def test_passwords_are_passed_in_no_argument_and_no_file(fifo: Path) -> None:
    reader = gevent.spawn(read_config, fifo, FLAGS)
    child = wait_child()
    assert "other-secret" not in " ".join(child.cmdline())
    files = [one.path for one in child.open_files()]
    assert not any("other-secret" in Path(path).read_text(errors="replace") for path in files)
    gevent.get_hub().threadpool.apply(fifo.write_text, ("",))
    (shard,) = reader.get(timeout=60).config.shards
    assert shard.password is not None
    assert shard.password.get_secret_value() == "other-secret"
    assert children() == []


def test_a_loader_that_takes_too_long_is_killed_and_reported(fifo: Path) -> None:
    assert raised(lambda: read_config(fifo, {}, timeout=0.3)) == [
        "it could not be read within 0.3 s"
    ]
    assert children() == []


def test_a_loader_that_dies_is_reported(fifo: Path) -> None:
    reader = gevent.spawn(raised, lambda: read_config(fifo, {}))
    os.kill(wait_child().pid, signal.SIGKILL)
    assert reader.get(timeout=60) == ["the process that reads it exited without a result"]


def test_a_loader_that_cannot_be_started_is_reported(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    (problem,) = raised(lambda: read_config(file, {}))
    assert problem.startswith("cannot start a process to read it: ")
    files = len(psutil.Process().open_files())
    raised(lambda: read_config(file, {}))
    assert len(psutil.Process().open_files()) == files


def test_killing_the_waiting_greenlet_leaves_no_process(fifo: Path) -> None:
    reader = gevent.spawn(read_config, fifo, {})
    child = wait_child()
    reader.kill()
    assert not child.is_running()


def test_requests_during_a_reload_cause_one_more_reload() -> None:
    done: list[int] = []
    may_end = gevent.event.Event()
    running: list[Any] = []

    def reload() -> None:
        running.append(None)
        assert len(running) == 1, "never twice at a time"
        may_end.wait()
        running.pop()
        done.append(len(done))

    reloader = Reloader(reload)
    part = gevent.spawn(reloader.run)
    reloader.request()
    wait_until(lambda: running, what="the first", sleep=gevent.sleep)
    for _ in range(5):
        reloader.request()
    may_end.set()
    wait_until(lambda: len(done) == 2, what="the second", sleep=gevent.sleep)
    gevent.idle()
    assert done == [0, 1]
    part.kill()
