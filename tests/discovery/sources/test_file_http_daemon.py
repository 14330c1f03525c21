"""A daemon with the sources `file` and `http`: no live server is dropped, whatever they do."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.daemons import RunningDaemon
from tests.discovery.http_sd_server import Handler, Respond, SdServer, running
from tests.discovery.watched_shards import Watched
from tests.servers import RealServer
from tests.waiting import wait_until

CONFIG = """
[[sources]]
type = "file"
files = ["{directory}/*.json", "{directory}/*.yml"]
interval = 0.1

[[sources]]
type = "http"
url = "{url}"
refresh = 0.1
timeout = 2.0
drop = {{ env = "test" }}
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RealServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(RealServer()) for _ in range(6)]


class Run:
    """A daemon and its two sources: servers 0 to 2 are in files, the others in the HTTP list."""

    def __init__(
        self, daemon: RunningDaemon, directory: Path, web: SdServer, servers: list[RealServer]
    ) -> None:
        self.daemon = daemon
        self.watched = Watched(daemon)
        self.directory = directory
        self.web = web
        self.servers = servers
        self.idents = {one.ident for one in servers}

    def reads(self, name: str) -> int:
        """Successful and failed reads of a source."""
        body: Any = self.daemon.ask("sources").body
        (source,) = (one for one in body if one["name"] == name)
        return int(source["reads"]) + int(source["failed_reads"])

    def wait_reads(self, name: str, count: int = 3) -> None:
        before = self.reads(name)
        wait_until(lambda: self.reads(name) >= before + count, what=f"reads of {name}")

    def is_complete(self) -> bool:
        return bool(self.watched.samples) and all(
            self.watched.state(ident) == "up" for ident in self.idents
        )


def groups(*servers: RealServer) -> str:
    return json.dumps([{"targets": [one.ident]} for one in servers])


@pytest.fixture
def run(tmp_path: Path, servers: list[RealServer]) -> Iterator[Run]:
    (tmp_path / "a.json").write_text(groups(servers[0], servers[1]))
    (tmp_path / "b.yml").write_text(f"- targets: ['{servers[2].ident}']\n")
    with running(SdServer()) as web:
        web.serve(*(one.ident for one in servers[3:]))
        config = CONFIG.format(directory=tmp_path, url=web.url)
        with RunningDaemon(config_text=config) as daemon:
            made = Run(daemon, tmp_path, web, servers)
            with made.watched.sampling():
                wait_until(made.is_complete, what="all shards to be up")
                del made.watched.samples[:-1]
                yield made


def require_never_dropped(run: Run) -> None:
    missing = [run.idents - set(sample) for sample in run.watched.samples]
    assert not any(missing), f"samples lack shards: {[one for one in missing if one][:3]}"


def replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


FILE_FAULTS: list[Callable[[Path, str], object]] = [
    lambda path, good: path.write_text(good[:-5]),
    lambda path, good: path.write_text(""),
    lambda path, good: path.write_text("{}"),
    lambda path, good: path.write_text("[]"),
    lambda path, good: become_fifo(path),
    lambda path, good: become_link(path),
    lambda path, good: path.unlink(),
]


def test_no_live_server_is_dropped_while_files_break_and_come_back(run: Run) -> None:
    json_file, yaml_file = run.directory / "a.json", run.directory / "b.yml"
    for path in (json_file, yaml_file):
        good = path.read_text()
        for fault in FILE_FAULTS:
            fault(path, good)
            run.wait_reads("file", 2)
            replace(path, good)
            run.wait_reads("file", 1)

    text = json_file.read_text()
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            replace(json_file, text)
            yaml_file.write_text(yaml_file.read_text())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        run.wait_reads("file", 10)
    finally:
        over.set()
        writer.join()
    require_never_dropped(run)


def slow(handler: Handler) -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while True:
        handler.raw(b" ")
        time.sleep(0.05)


def many(servers: list[RealServer]) -> str:
    """A hundred thousand targets, of which `drop` leaves those of the servers."""
    rest = [f"cache-{number}.example.net:6379" for number in range(100_000)]
    return json.dumps(
        [{"targets": [one.ident for one in servers]}, {"targets": rest, "labels": {"env": "test"}}]
    )


def test_no_live_server_is_dropped_while_an_http_server_has_every_fault(run: Run) -> None:
    good = groups(*run.servers[3:])
    large = many(run.servers[3:])
    faults: list[Respond] = [
        lambda handler: handler.reply(good, status=500),
        lambda handler: handler.reply(good, content_type="text/html"),
        lambda handler: handler.reply(good[:-5]),
        lambda handler: handler.reply(good, length=9999),
        lambda handler: handler.reply("[]"),
        lambda handler: handler.reply("null"),
        lambda handler: handler.reply(good, status=302, Location=handler.path),
        lambda handler: None,
        lambda handler: handler.reply(large),
        slow,
    ]
    for fault in faults:
        run.web.respond = fault
        run.wait_reads("http", 1 if fault is slow else 2)  # the first may be an earlier reply
        run.web.respond = lambda handler: handler.reply(good)
        run.wait_reads("http", 1)
    require_never_dropped(run)

    # What is gone in truth leaves: a server that is down and no longer listed.
    victim = run.servers[5]
    victim.kill()
    wait_until(lambda: run.watched.state(victim.ident) == "down", what="the server to be down")
    run.web.serve(run.servers[3].ident, run.servers[4].ident)
    wait_until(lambda: run.watched.state(victim.ident) == "absent", what="its removal")
    victim.start()
    run.web.serve(*(one.ident for one in run.servers[3:]))
    wait_until(lambda: run.watched.state(victim.ident) == "up", what="its return")
