"""A process of the tests: started, suspended, and started again at the same address.

Its output goes to a file, so that it never blocks on a full pipe; errors quote the file.
"""

from __future__ import annotations

import abc
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

START_TIMEOUT = 60.0
"""Seconds after which a process that is not ready has failed to start."""

BIND_RETRIES = 20
"""How many addresses are tried if other processes keep taking the chosen one first."""

CHECK_INTERVAL = 0.005
"""Seconds between two checks whether a process is ready."""


class AddressInUseError(Exception):
    """Another process already listens on the address."""


class ManagedProcess(abc.ABC):
    """One process and the directory of its log.

    Args:
        directory: Folder of the log file.
        error: Exception class for a process that does not start.
    """

    working_directory: ClassVar[Path | None] = None  #: None for that of the tests

    def __init__(self, directory: Path, error: type[Exception]) -> None:
        self.directory = directory
        self._error = error
        self._log_path = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Id of the process that runs, or of the last one."""
        if self._process is None:
            raise self._error("no process before the first start")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists; also while it is suspended."""
        return self._process is not None and self._process.poll() is None

    def suspend(self) -> None:
        """Send SIGSTOP: it keeps its connections, but does not reply."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGHUP."""
        os.kill(self.pid, number)

    @abc.abstractmethod
    def kill(self) -> None:
        """Send SIGKILL, and wait for its end."""

    # -- for subclasses

    @abc.abstractmethod
    def _command(self) -> list[str]:
        """The command line."""

    @abc.abstractmethod
    def _is_ready(self) -> bool:
        """Whether *this* process accepts requests: another one may hold its port."""

    def _output(self, offset: int = 0) -> str:
        """Its output since the first start, or from an offset in bytes."""
        if not self._log_path.exists():
            return ""
        return self._log_path.read_bytes()[offset:].decode(errors="replace")

    def _start(
        self, choose_address: Callable[[], None] | None, environ: Mapping[str, str] | None = None
    ) -> None:
        """Start the process and wait until it is ready.

        Args:
            choose_address: Called before each attempt; None if the address is fixed.
            environ: Its environment; None for that of the tests.

        Raises:
            Exception: Of the class `error`: it is running already, or exited, or was not ready in
                time.
        """
        if self.running:
            raise self._error(f"process {self.pid} is running already")
        for attempt in range(BIND_RETRIES):
            if choose_address is not None:
                choose_address()
            try:
                self._start_once(environ)
            except AddressInUseError as error:
                if choose_address is None or attempt == BIND_RETRIES - 1:
                    raise self._error(str(error)) from None
            else:
                return

    def _start_once(self, environ: Mapping[str, str] | None) -> None:
        with self._log_path.open("ab") as log:
            offset = log.tell()
            # A session of its own, so that Ctrl-C reaches only pytest.
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.working_directory,
                env=environ,
            )
        try:
            self._wait_ready(offset)
        except BaseException:
            self.kill()
            raise

    def _wait_ready(self, offset: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if not self.running:
                output = self._output(offset)
                in_use = "Address already in use" in output
                raise (AddressInUseError if in_use else self._error)(f"it exited:\n{output}")
            if time.monotonic() > deadline:
                raise self._error(f"not ready within {START_TIMEOUT} s:\n{self._output(offset)}")
            time.sleep(CHECK_INTERVAL)
