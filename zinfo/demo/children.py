"""Child processes and a temporary directory that never outlive this process, however it ends.

Two mechanisms clean up, and both are needed:

- The reaper (`reaper`), a process of its own, kills the children, restores the terminal and removes
  the directory as soon as its standard input ends: when `close` closes it, or when this process was
  killed, after which only another process can clean up. Where the reaper was killed, `close` runs
  the same function in this process.
- The kernel (`launch`, PR_SET_PDEATHSIG, on Linux) kills the children where both this process and
  the reaper were killed, or this process between the start of a child and the message about it to
  the reaper.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from zinfo.demo import launch, reaper
from zinfo.errors import EnvironmentNotReadyError

TERM_SECONDS = 3.0
"""How long a child may take to end after SIGTERM."""

_REAPER_SECONDS = 5.0  # for the reaper to clean up

Process = subprocess.Popen[bytes]


class Children:
    """Starts and ends child processes. A context manager: leaving it ends them all.

    Use it in the main thread: PR_SET_PDEATHSIG acts on the end of the thread that starts a child.

    Attributes:
        directory: the temporary directory; removed at the end.

    Raises:
        EnvironmentNotReadyError: the directory cannot be made.
    """

    def __init__(self) -> None:
        self._processes: list[Process] = []
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", reaper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that it does not get the terminal's signals
        )
        assert self._reaper.stdout is not None
        with self._reaper.stdout as output:
            path = os.fsdecode(output.readline().rstrip(b"\n"))
        if not path:
            self._end_reaper()
            raise EnvironmentNotReadyError("cannot make a temporary directory")
        self.directory = Path(path)

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(
        self, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a child, in the temporary directory and a session of its own.

        Args:
            command: the program's absolute path, and its arguments.
            log: the file that its output is appended to.
            env: its environment; None for this process's own.
        """
        words = [str(word) for word in command]
        launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*launcher, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=env,
                start_new_session=True,
            )
        self.notify_reaper(f"+{process.pid}")
        self._processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        """SIGKILL a child and its process group."""
        if process not in self._processes:
            return
        if process.poll() is None:  # else its number may belong to another process by now
            with contextlib.suppress(OSError):  # macOS says EPERM for a zombie
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._processes.remove(process)
        self.notify_reaper(f"-{process.pid}")

    def end(self, process: Process) -> None:
        """Send SIGTERM to a child; kill it if it does not end in time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.terminate()
            process.wait(TERM_SECONDS)
        self.kill(process)

    def notify_reaper(self, command: str) -> None:
        """Send a command to the reaper."""
        assert self._reaper.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it was killed, or its input is closed
            self._reaper.stdin.write(f"{command}\n".encode())
            self._reaper.stdin.flush()

    def close(self) -> None:
        """Kill the children that are left, and remove the directory."""
        for process in self._processes:
            if process.poll() is not None:
                self.notify_reaper(f"-{process.pid}")
        self._end_reaper()
        if self._reaper.returncode:
            left = [process.pid for process in self._processes if process.poll() is None]
            reaper.clean_up(left, self.directory)
        while self._processes:
            self._processes.pop().wait()

    def _end_reaper(self) -> None:
        """Close the reaper's input, and wait until it has cleaned up."""
        assert self._reaper.stdin is not None
        with contextlib.suppress(OSError):
            self._reaper.stdin.close()
        try:
            self._reaper.wait(_REAPER_SECONDS)
        except subprocess.TimeoutExpired:
            self._reaper.kill()
            self._reaper.wait()
