"""The commands and programs in docs/how-to/ do what their pages say."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.running import environment, press_ctrl_c
from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.servers import RealServer, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(HOW_TO.glob("*.md"))}
QUICK = {"ZINFO_POLL_MIN_INTERVAL": "0.1", "ZINFO_POLL_MAX_INTERVAL": "0.3"}

SHARD, QUERY, BUS = "127.0.0.1:6379", "127.0.0.1:9736", "127.0.0.1:9737"
HTTP, ADAPTER, KEYS = "127.0.0.1:9121", "127.0.0.1:9800", "/etc/zinfo"
"""The addresses and the key directory on the pages."""


def block(page: str, fence: str, number: int = 0) -> str:
    """Return a code block of a page, which begins with ```FENCE."""
    found = re.findall(rf"^```{re.escape(fence)}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)
    assert len(found) > number, f"{page} has no {fence} number {number}"
    return str(found[number])


class Typed:
    """A running program of a page, and its output.

    Args:
        command: the program and its arguments.
        log: file for its output.
        environ: variables in addition to those of this process, without those of the user.
    """

    def __init__(self, command: list[str], log: Path, environ: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(None, **environ),
                cwd=ROOT,
            )

    def said(self) -> str:
        return self._log.read_text()

    def wait_said(self, pattern: str) -> str:
        """Wait until its output matches a pattern."""

        def look() -> str | None:
            found = re.search(pattern, self.said(), re.MULTILINE)
            if found is None:
                assert self._process.poll() is None, f"it exited with the output:\n{self.said()}"
            return found and found[0]

        return wait_until(look, 30, f"{pattern!r} in the output") or ""

    def interrupt(self) -> int:
        """Send Ctrl-C; return the exit code."""
        return press_ctrl_c(self._process)

    def ended(self) -> int:
        """Wait until it exits; return the exit code."""
        return self._process.wait(60)

    def remove(self) -> None:
        self._process.kill()
        self._process.wait()


class Desk:
    """Runs commands and programs of the pages, with real addresses in place of those on the pages.

    Args:
        directory: for output files.
        real: the real address for each address on the pages.

    Attributes:
        environ: variables for the commands.
    """

    def __init__(self, directory: Path, real: Mapping[str, str]) -> None:
        self._directory = directory
        self.real = dict(real)
        self._stack = contextlib.ExitStack()
        programs = Path(sys.executable).parent
        self.environ = {"PATH": f"{programs}:{os.environ['PATH']}", **QUICK}
        if QUERY in real:
            self.environ["ZINFO_CONNECT"] = f"tcp://{real[QUERY]}"

    def close(self) -> None:
        self._stack.close()

    def made_real(self, text: str) -> str:
        host, port = ADAPTER.split(":")
        text = text.replace(f'"{host}", {port}', ADAPTER).replace(f"{host}/{port}", ADAPTER)
        replaced = re.compile("|".join(map(re.escape, self.real)))
        text = replaced.sub(lambda found: self.real[found[0]], text)
        if ADAPTER in self.real:
            host, port = self.real[ADAPTER].split(":")
            text = text.replace(f"({host}:{port})", f'("{host}", {port})')
            text = text.replace(f"/dev/tcp/{host}:{port}", f"/dev/tcp/{host}/{port}")
        return text

    def begin(self, page: str, fence: str, *words: str, number: int = 0) -> Typed:
        """Start a command or program of a page."""
        text = self.made_real(block(page, fence, number))
        if fence.startswith("python"):
            command = [sys.executable, "-c", text, *words]
        else:
            endless = fence != "sh"
            command = ["bash", "-c", f"exec {text}" if endless else f"set -e\n{text}"]
        name = f"{page}-{fence.split(maxsplit=1)[0]}-{len(list(self._directory.iterdir()))}.log"
        typed = Typed(command, self._directory / name, self.environ)
        self._stack.callback(typed.remove)
        return typed

    def type(self, page: str, fence: str, number: int = 0) -> str:
        """Run a command or program of a page; return its output."""
        typed = self.begin(page, fence, number=number)
        assert typed.ended() == 0, typed.said()
        return typed.said()


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with RealServer() as running:
        yield running


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    with RunningDaemon([server.url], environ=QUICK) as running:
        running.wait_polled(1)
        yield running


DeskMaker = Callable[[Mapping[str, str]], Desk]


@pytest.fixture
def desk_with(tmp_path: Path) -> Iterator[DeskMaker]:
    with contextlib.ExitStack() as stack:

        def make(real: Mapping[str, str]) -> Desk:
            desk = Desk(tmp_path, real)
            stack.callback(desk.close)
            return desk

        yield make


@pytest.fixture
def desk(desk_with: DeskMaker, server: RealServer, daemon: RunningDaemon) -> Desk:
    """A desk with a daemon that watches one server."""
    return desk_with({SHARD: server.ident, QUERY: daemon.query.removeprefix("tcp://")})


def address() -> str:
    return f"127.0.0.1:{free_port()}"


def test_watch_one_shard(desk: Desk) -> None:
    page, shard = "watch-one-shard", desk.real[SHARD]
    watching = desk.begin(page, "sh until-ctrl-c")
    program = desk.begin(page, "python until-ctrl-c")
    watching.wait_said(rf"Z {re.escape(shard)} (used_memory|connected_clients): \d+ -> \d+$")
    program.wait_said(rf"^{re.escape(shard)} \d+ \d+$")
    assert watching.interrupt() == 0
    program.interrupt()
    assert "used_memory:" in desk.type(page, "sh")


def test_keep_a_mirror(desk: Desk) -> None:
    page, shard = "keep-a-mirror", desk.real[SHARD]
    said = desk.type(page, "python")
    assert re.fullmatch(rf"{re.escape(shard)} up \d+ \d\.\d s old\nstale: False\n", said)
    following = desk.begin(page, "python until-ctrl-c")
    following.wait_said(rf"^{re.escape(shard)} Event\n{re.escape(shard)} Delta$")
    following.interrupt()


def test_wait_for_an_event(desk_with: DeskMaker, server_factory: ServerFactory) -> None:
    page, mortal = "wait-for-an-event", server_factory()
    with RunningDaemon([mortal.url], environ=QUICK) as running:
        running.wait_polled(1)
        desk = desk_with({SHARD: mortal.ident, QUERY: running.query.removeprefix("tcp://")})
        following = desk.begin(page, "sh until-ctrl-c")
        following.wait_said("#2 up, was new$")
        waiting = desk.begin(page, "python waits")
        wait_until(lambda: _joined(running) >= 2, what="both to be subscribed")
        mortal.kill()
        assert waiting.ended() == 0, waiting.said()
        assert waiting.said() == f"{mortal.ident} is down: refused\n"
        following.wait_said("#3 down \\(refused\\)")
        assert following.interrupt() == 0
        said = desk.type(page, "python")
        assert f"3 {mortal.ident} down\n" in said
        assert "continue with since = " in said


def _joined(daemon: RunningDaemon) -> int:
    """Return how many clients have joined the bus: each subscribes a fence after its topics."""
    stats = daemon.ask("stats").body
    assert isinstance(stats, dict)
    return int(stats["bus"]["messages"].get("fence", 0))


def test_use_asyncio(desk: Desk) -> None:
    lines = desk.type("use-asyncio", "python").splitlines()
    shard = desk.real[SHARD]
    assert lines[0] == "1 of 1 shards have replied"
    assert re.fullmatch(rf"{re.escape(shard)} \d+", lines[1])
    assert lines[2] == f"{ {shard: 'master'} } stale: False"
    assert re.fullmatch(r"heartbeat from \S+", lines[3])


def test_expose_to_prometheus(desk_with: DeskMaker, server: RealServer) -> None:
    page = "expose-to-prometheus"
    desk = desk_with({SHARD: server.ident, HTTP: address()})
    desk.environ |= {  # the page sets only the HTTP address, so the other ports are set here
        "ZINFO_QUERY_ENDPOINT": f"tcp://{address()}",
        "ZINFO_BUS_ENDPOINT": f"tcp://{address()}",
    }
    serving = desk.begin(page, "sh serves")
    serving.wait_said(re.escape(desk.real[HTTP]))
    wanted = f'redis_up{{instance="{server.ident}"}} 1'
    wait_until(lambda: wanted in _tried(desk, page), 30, what="the metric")
    assert desk.made_real(block(page, "text")) == f"{wanted}\n"
    assert serving.interrupt() == 0


def _tried(desk: Desk, page: str) -> str:
    typed = desk.begin(page, "sh")
    typed.ended()  # grep finds nothing until the shard has been polled
    return typed.said()


def test_write_a_watcher(
    desk_with: DeskMaker, server: RealServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("servers")
    (directory / "cache-1").write_text(f"{server.url}\n")
    running = desk_with({SHARD: server.ident}).begin(
        "write-a-watcher", "python watches DIRECTORY", str(directory)
    )
    running.wait_said("^cache-1 master$")
    assert block("write-a-watcher", "text") == "cache-1 master\n"
    (directory / "cache-2").write_text(server.url)
    running.wait_said("^cache-2 master$")
    (directory / "cache-1").unlink()
    running.wait_said("(cache-2 master\n){3}")


def test_write_a_server_adapter(desk_with: DeskMaker, server: RealServer) -> None:
    page = "write-a-server-adapter"
    desk = desk_with({SHARD: server.ident, ADAPTER: address()})
    desk.begin(page, "python serves at 127.0.0.1:9800", server.url)
    wait_until(
        lambda: _tried(desk, page) == block(page, "text"), 30, what="the reply of the adapter"
    )


def test_secure_it(desk_with: DeskMaker, server: RealServer, short_tmp: Path) -> None:
    page = "secure-it"
    query, bus = address(), address()
    anywhere = {
        QUERY.replace("127.0.0.1", "0.0.0.0"): query.replace("127.0.0.1", "0.0.0.0"),
        BUS.replace("127.0.0.1", "0.0.0.0"): bus.replace("127.0.0.1", "0.0.0.0"),
    }
    desk = desk_with(
        {SHARD: server.ident, QUERY: query, BUS: bus, KEYS: str(short_tmp / "etc"), **anywhere}
    )
    desk.type(page, "sh")
    config = short_tmp / "etc.toml"
    config.write_text(desk.made_real(block(page, "toml")))
    assert config.name in desk.made_real(block(page, "sh serves"))
    serving = desk.begin(page, "sh serves")
    serving.wait_said(re.escape(query.split(":")[1]))
    assert server.ident in desk.type(page, "sh", 1)
    assert desk.type(page, "python").endswith(" admitted this client\n")
    refused = desk.begin(page, "sh refused")
    assert refused.ended() != 0
    assert refused.said().startswith(block(page, "text").split(" at ")[0])
    assert serving.interrupt() == 0


def test_size_it(desk: Desk) -> None:
    said = desk.type("size-it", "sh")
    assert "0 errors, 0 lost" in said
    assert said.splitlines()[1].split() == block("size-it", "text").splitlines()[1].split()
    stats = desk.type("size-it", "sh", 1)
    assert "saturation.stretch" in stats
    assert "hub_lag_max" in stats


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_has_a_target(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGES[page])
    assert links
    for link in links:
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = HOW_TO / path if path else HOW_TO / f"{page}.md"
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}


def test_every_code_block_has_a_test() -> None:
    """Add new blocks here as well: otherwise a block without a test would not be noticed."""
    runnable = {
        page: len(re.findall(r"^```(?:sh|python)", text, re.MULTILINE))
        for page, text in PAGES.items()
    }
    assert runnable == {
        "deploy": 9,  # tests/deploy has their tests
        "index": 0,
        "use-asyncio": 1,
        "expose-to-prometheus": 2,
        "install-the-light-client": 4,  # tests/packaging/built has their tests
        "keep-a-mirror": 2,
        "secure-it": 5,
        "size-it": 2,
        "wait-for-an-event": 3,
        "watch-one-shard": 3,
        "write-a-server-adapter": 2,
        "write-a-watcher": 1,
    }


def test_every_page_is_in_the_list() -> None:
    listed = set(re.findall(r"\((\S+)\.md\)", PAGES["index"]))
    assert listed == set(PAGES) - {"index"}
