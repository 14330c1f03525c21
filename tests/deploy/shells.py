"""A shell in a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from typing_extensions import Self

_CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r|\x07")


class Shell:
    """A shell in a pseudo-terminal, with the programs of this environment; a context manager.

    Args:
        command: the shell and its arguments.
        home: an empty directory.

    Attributes:
        environ: its environment variables.
    """

    def __init__(self, *command: str, home: Path) -> None:
        self._command = command
        self.environ = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
            "PS1": "ready> ",
        }
        self._shown = ""

    def __enter__(self) -> Self:
        self._terminal, other = pty.openpty()
        self._process = subprocess.Popen(
            self._command,
            stdin=other,
            stdout=other,
            stderr=other,
            env=self.environ,
            start_new_session=True,
        )
        os.close(other)
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._terminal)

    def type(self, keys: str) -> None:
        """Type; `wait_for` then ignores earlier output."""
        self._shown = ""
        os.write(self._terminal, keys.encode())

    def wait_for(self, text: str, timeout: float = 30.0) -> None:
        """Wait until a text is shown.

        Raises:
            AssertionError: it is not shown in time.
        """
        until = time.monotonic() + timeout
        while text not in self._shown:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._terminal], [], [], left)[0]:
                raise AssertionError(f"no {text!r} in {self._shown!r}")
            self._shown += _CODES.sub("", os.read(self._terminal, 65536).decode(errors="replace"))
