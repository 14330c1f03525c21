"""Starts a Python process for work that would hold the event loop; see `pieces.py` for its side.

A thread would hold the GIL for most of that work. A process with libzmq's threads cannot be forked
safely, so a new Python process is started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import gevent
from gevent.fileobject import FileObjectPosix

_WAIT_INTERVAL = 0.01  # seconds between two waitpid() calls
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # reset to default: may be ignored here

Stream: TypeAlias = "FileObjectPosix[Any, bytes]"
"""An end of a pipe whose reads and writes let other greenlets run."""


class Pipes(NamedTuple):
    """The cooperative ends of a process's standard streams.

    Attributes:
        source: its standard output.
        sink: its standard input.
    """

    source: Stream
    sink: Stream


@contextlib.contextmanager
def child_process(command: str) -> Iterator[Pipes]:
    """Start Python, with this process's `sys.path` and environment; kill it on exit.

    Args:
        command: the Python code to run.

    Raises:
        OSError: the process could not be started.
    """
    stdin, stdout = os.pipe(), os.pipe()
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(FileObjectPosix(stdout[0], "rb"))
        sink = stack.enter_context(FileObjectPosix(stdin[1], "wb"))
        try:
            pid = _spawn(command, stdin[0], stdout[1])
        finally:
            os.close(stdin[0])
            os.close(stdout[1])
        stack.callback(_kill, pid)
        yield Pipes(source, sink)


def _spawn(command: str, stdin: int, stdout: int) -> int:
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {command}"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)],
        setpgroup=0,  # so that Ctrl-C in a terminal reaches the daemon only
        setsigdef=_SIGNALS,
    )


def _kill(pid: int) -> None:
    """Kill a process if it still runs, and reap it."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            gevent.sleep(_WAIT_INTERVAL)
