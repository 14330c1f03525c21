"""A program on a pseudo-terminal: keys to it, and the time until it has drawn what they cause."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from types import TracebackType

_SETTLED = 0.08  # seconds without output after which the screen counts as drawn
_START_TIMEOUT = 60.0  # seconds until the first screen is drawn
_TIMEOUT = 20.0  # seconds until a key has an effect


class NotDrawnError(Exception):
    """The program drew nothing in time."""


class PtyProgram:
    """A Python module that draws on a terminal.

    Args:
        arguments: of the interpreter: `-m`, the module, and what it takes.
        columns: of the terminal.
        lines: of the terminal.
    """

    def __init__(self, arguments: Sequence[str], *, columns: int = 120, lines: int = 36) -> None:
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""}
        environ = {name: text for name, text in environ.items() if text}
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=side, stdout=side, stderr=side, start_new_session=True, env=environ,
        )  # fmt: skip
        os.close(side)

    def __enter__(self) -> PtyProgram:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        while self._read(_SETTLED):
            pass
        self._process.kill()
        self._process.wait()
        os.close(self._main)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_for(self, text: str) -> None:
        """Wait until a text was drawn, and the screen is settled.

        Raises:
            NotDrawnError: it was not drawn in time.
        """
        seen, deadline = b"", time.monotonic() + _START_TIMEOUT
        while text.encode() not in seen:
            if time.monotonic() > deadline:
                raise NotDrawnError(f"{text!r} was not drawn: {seen[-2000:]!r}")
            seen += self._read(1.0)
        while self._read(_SETTLED):
            pass

    def press(self, keys: str) -> tuple[float, int]:
        """Type keys.

        Returns:
            The seconds until the last of the output that they cause, and its bytes.

        Raises:
            NotDrawnError: they caused no output in time.
        """
        while self._read(_SETTLED):  # the output of a redraw that just began
            pass
        began = time.perf_counter()
        os.write(self._main, keys.encode())
        size, ended, deadline = 0, began, began + _TIMEOUT
        while time.perf_counter() < deadline:
            read = self._read(_SETTLED if size else 1.0)
            if read:
                size += len(read)
                ended = time.perf_counter()
            elif size:
                return ended - began, size
        raise NotDrawnError(f"no output after {keys!r}")

    def _read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._main], [], [], seconds)
        try:
            return os.read(self._main, 1 << 16) if ready else b""
        except OSError:  # it has ended
            return b""
