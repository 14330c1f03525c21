"""Cleans up after the demo, from a process of its own that survives it.

This file is run, with the standard library only; `children` imports `clean_up` as well. It makes a
directory, prints its path, and reads commands from standard input, one per line, until that ends:
because the demo closed it, or because the demo is dead. Then it cleans up.

    +PID            PID leads a process group that must not outlive the demo
    -PID            this group has ended
    screen PATH     the terminal at PATH shows the alternate screen, without a cursor
    normal          it no longer does
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
LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"

_REMOVE_TRIES = 100  # while killed processes may still write to the directory
_RETRY_SECONDS = 0.02


def follow(commands: Iterable[str], directory: Path) -> None:
    """Follow the commands until they end, then clean up."""
    groups: set[int] = set()
    terminal = ""
    for line in commands:
        word, _, rest = line.strip().partition(" ")
        if word == "screen":
            terminal = rest
        elif word == "normal":
            terminal = ""
        elif word.startswith("+"):
            groups.add(int(word))
        elif word.startswith("-"):
            groups.discard(-int(word))
    clean_up(groups, directory, terminal)


def clean_up(groups: Iterable[int], directory: Path, terminal: str = "") -> None:
    """Kill process groups, restore the terminal, and remove the directory.

    Args:
        groups: ids of the process groups.
        directory: the directory.
        terminal: path of a terminal that shows the alternate screen; "" for none.
    """
    for group in groups:
        with contextlib.suppress(OSError):  # it has ended; macOS says EPERM for a zombie
            os.killpg(group, signal.SIGKILL)
    if terminal:
        with contextlib.suppress(OSError):
            descriptor = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            os.write(descriptor, LEAVE_ALTERNATE_SCREEN + SHOW_CURSOR)
            os.close(descriptor)
    for _ in range(_REMOVE_TRIES):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(_RETRY_SECONDS)


def main() -> None:
    """Run until standard input ends; signals do not end this."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    directory = Path(tempfile.mkdtemp(prefix="zinfo-demo-"))
    try:
        with contextlib.suppress(BrokenPipeError):
            os.write(sys.stdout.fileno(), f"{directory}\n".encode())
    finally:
        follow(sys.stdin, directory)


if __name__ == "__main__":
    main()
