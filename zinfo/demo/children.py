"""Child processes and a temporary directory that never outlive this process, however it ends.

Three things see to it: `close()`; where that is never reached, the kernel (`launch`, on Linux) and
the keeper, a process of its own that notices when this one is gone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from zinfo.demo import launch, reaper
from zinfo.errors import EnvironmentNotReadyError

TERM_SECONDS = 3.0
"""How long a child may take to end by itself, once asked."""

_KEEPER_SECONDS = 5.0  # for the keeper to clear up

Process = subprocess.Popen[bytes]


class Children:
    """Starts and ends child processes. A context manager: leaving it ends them all.

    Enter and use it in the main thread: the kernel takes the end of the thread that starts a child
    for the parent's.

    Attributes:
        directory: for whatever they write; removed at the end.
    """

    def __init__(self) -> None:
        self._processes: list[Process] = []
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", reaper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # the terminal's Ctrl-C and hang-up are not for it
        )
        assert self._keeper.stdout is not None
        with self._keeper.stdout as said:
            path = os.fsdecode(said.readline().rstrip(b"\n"))
        if not path:
            self.close()
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
            log: takes what it prints, after what is there.
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
        self.tell_keeper(f"+{process.pid}")
        self._processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        """SIGKILL a child and whatever it started."""
        if process not in self._processes:
            return
        if process.poll() is None:  # else its number may be somebody else's by now
            with contextlib.suppress(OSError):  # a zombie is EPERM on macOS
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._processes.remove(process)
        self.tell_keeper(f"-{process.pid}")

    def end(self, process: Process) -> None:
        """Ask a child to end; kill it if it takes too long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.terminate()
            process.wait(TERM_SECONDS)
        self.kill(process)

    def tell_keeper(self, line: str) -> None:
        """Tell the keeper one line of what it should know."""
        assert self._keeper.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # killed, or closed already: do without
            self._keeper.stdin.write(f"{line}\n".encode())
            self._keeper.stdin.flush()

    def close(self) -> None:
        """Kill every child that is left and remove the directory."""
        for process in list(self._processes):
            self.kill(process)
        assert self._keeper.stdin is not None
        with contextlib.suppress(OSError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(_KEEPER_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        if self._keeper.returncode and hasattr(self, "directory"):  # it cannot do its work
            shutil.rmtree(self.directory, ignore_errors=True)
