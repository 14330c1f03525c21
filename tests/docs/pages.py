"""The pages of docs/how-to/, and what runs their commands and programs in the tests."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.cli.running import environment, press_ctrl_c
from tests.servers import free_port
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
        directory: its working directory.
    """

    def __init__(
        self, command: list[str], log: Path, environ: Mapping[str, str], directory: Path = ROOT
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(None, **environ),
                cwd=directory,
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

    @property
    def running(self) -> bool:
        return self._process.poll() is None

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
        working_directory: of the commands; the checkout, unless a test sets another one.
    """

    def __init__(self, directory: Path, real: Mapping[str, str]) -> None:
        self._directory = directory
        self.real = dict(real)
        self.working_directory = ROOT
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
        typed = Typed(command, self._directory / name, self.environ, self.working_directory)
        self._stack.callback(typed.remove)
        return typed

    def type(self, page: str, fence: str, number: int = 0) -> str:
        """Run a command or program of a page; return its output."""
        typed = self.begin(page, fence, number=number)
        assert typed.ended() == 0, typed.said()
        return typed.said()


DeskMaker = Callable[[Mapping[str, str]], Desk]


def address() -> str:
    """Return a free address of 127.0.0.1."""
    return f"127.0.0.1:{free_port()}"


def assert_same_form(shown: str, printed: str) -> None:
    """Assert that printed JSON has the names and types of that on a page."""
    assert _form(json.loads(printed.splitlines()[0])) == _form(json.loads(shown))


def _form(value: object) -> object:
    if isinstance(value, dict):
        return {name: _form(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_form(value[0])] if value else []
    return float if isinstance(value, int) else type(value)
