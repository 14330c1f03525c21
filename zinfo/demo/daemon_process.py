"""The daemon of the demo: `zinfo serve` in a process of its own, as a user would run it."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zinfo
from zinfo.demo.children import Children
from zinfo.errors import EnvironmentNotReadyError

_ANY_PORT = "tcp://127.0.0.1:*"
_START_SECONDS = 20.0  # for the daemon to listen; Python may have to compile its modules first
_CHECK_SECONDS = 0.02  # between two reads of its log
_ADDRESSES = re.compile(r"queries at (?P<query>\S+), bus at (?P<bus>[^\s;,]+)")


class DaemonProcess:
    """A `zinfo serve` that polls some servers.

    Args:
        children: starts and ends the process.
        urls: of the servers.

    Attributes:
        query: its query endpoint; "" until `wait` has returned.
        bus: its bus endpoint; the same.
    """

    def __init__(self, children: Children, urls: Sequence[str]) -> None:
        self.query = ""
        self.bus = ""
        self._children = children
        self._log = children.directory / "zinfo.log"
        command = [sys.executable, "-m", "zinfo", "serve", "--log-format", "json"]
        command += ["--query", _ANY_PORT, "--bus", _ANY_PORT]
        for url in urls:
            command += ["--shard", url]
        self._process = children.start(command, self._log, _environment())

    @property
    def running(self) -> bool:
        """Whether its process is running."""
        return self._process.poll() is None

    def wait(self, stopping: Callable[[], bool]) -> None:
        """Wait until it listens, or until `stopping()`.

        Raises:
            EnvironmentNotReadyError: it ended, or did not listen in time; with its last log line.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not stopping():
            alive = self.running  # before its log is read, which is complete then if it has ended
            for message in self._messages():
                if found := _ADDRESSES.search(message):
                    self.query, self.bus = found["query"], found["bus"]
                    return
            if not alive or time.monotonic() > deadline:
                raise EnvironmentNotReadyError(f"the daemon does not start; {self.last_words()}")
            time.sleep(_CHECK_SECONDS)

    def last_words(self) -> str:
        """Return its exit code, if it has ended, and the last line of its log."""
        code = self._process.poll()
        end = "" if code is None else f"exit code {code}, "
        return f"{end}last words: {(self._messages() or ['none'])[-1]}"

    def stop(self) -> None:
        """Stop it with SIGTERM."""
        self._children.end(self._process)

    def _messages(self) -> list[str]:
        lines = self._log.read_text(errors="replace").splitlines()
        return [_message(line) for line in lines if line.strip()]


def _message(line: str) -> str:
    """Return the message in a line of a JSON log; the line itself where it is not JSON."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    return str(record.get("message", line)) if isinstance(record, dict) else line


def _environment() -> dict[str, str]:
    """Return the daemon's environment, without zinfo's variables: they must not change the demo.

    It runs in another directory than this process, and may need PYTHONPATH to find the same zinfo.
    """
    environ = {name: text for name, text in os.environ.items() if not name.startswith("ZINFO_")}
    home = Path(zinfo.__file__).absolute().parent.parent
    if home.name not in ("site-packages", "dist-packages"):
        paths = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        environ["PYTHONPATH"] = os.pathsep.join([*paths, str(home)])
    return environ
