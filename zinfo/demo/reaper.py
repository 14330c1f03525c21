"""Outlives the demo by a moment and takes away what it left, even where it died of SIGKILL.

A file that is run, not imported, with the standard library only. It makes a directory, prints its
path, and then reads what it is told, a line each, until its standard input ends: because the demo
closed it, or because there is no demo any more. Then it kills the processes it knows of, gives
the terminal back, and removes the directory.

    +PID            leads a process group that must not outlive the demo
    -PID            has ended
    screen PATH     the terminal at PATH shows the demo's own screen, without a cursor
    normal          it does not any more
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

SHOW_CURSOR = b"\x1b[?25h"
LEAVE_SCREEN = b"\x1b[?1049l"

_TRIES = 100  # to remove the directory, while what is being killed may still write to it
_PAUSE = 0.02  # seconds between two tries


def keep(told: Iterable[str], directory: Path) -> None:
    """Do as told until there is nobody who tells, then clear up."""
    groups: set[int] = set()
    terminal = ""
    for line in told:
        word, _, rest = line.strip().partition(" ")
        if word == "screen":
            terminal = rest
        elif word == "normal":
            terminal = ""
        elif word.startswith("+"):
            groups.add(int(word))
        elif word.startswith("-"):
            groups.discard(-int(word))
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    if terminal:
        _give_back(terminal)
    _remove(directory)


def _give_back(terminal: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        os.write(descriptor, LEAVE_SCREEN + SHOW_CURSOR)
        os.close(descriptor)


def _remove(directory: Path) -> None:
    for _ in range(_TRIES):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(_PAUSE)


def main() -> None:
    """Keep; signals do not end this, only the end of what it is told."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    directory = Path(tempfile.mkdtemp(prefix="zinfo-demo-"))
    try:
        with contextlib.suppress(BrokenPipeError):
            os.write(sys.stdout.fileno(), f"{directory}\n".encode())
    finally:
        keep(sys.stdin, directory)


if __name__ == "__main__":
    main()
