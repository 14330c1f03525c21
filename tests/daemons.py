"""A real daemon for the tests: `zinfo serve` as a process, started, asked, stopped and killed.

What it says goes to a file, so that it never waits for a reader; the file is shown where it fails.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import psutil
import zmq
from typing_extensions import Self

from tests.spawning import HOST, command_prefix, free_port
from tests.waiting import wait_until
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import Reply, Request, decode_reply, encode_request

ROOT = Path(__file__).parents[1]

START_TIMEOUT = 20.0
"""Seconds until a daemon that does not answer has failed to start."""

STOP_TIMEOUT = 10.0
"""Seconds between SIGTERM and SIGKILL; a daemon promises to need less than two."""

REPLY_TIMEOUT = 10.0
"""Seconds to wait for one reply."""

BIND_RETRIES = 20
"""How often ports are chosen anew when others take the chosen ones first."""


class DaemonError(Exception):
    """A daemon did not start, or did not answer."""


class AddressTaken(DaemonError):
    """Somebody else listens where the daemon was told to."""


def set_curve_keys(socket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    """Have a socket that is yet to connect speak CURVE."""
    socket.curve_serverkey = keys.server
    socket.curve_publickey, socket.curve_secretkey = keys.own


class RunningDaemon:
    """One daemon at free ports of 127.0.0.1.

    Entering starts it and waits until it answers a ping; leaving ends it with SIGTERM (and with
    SIGKILL when that takes too long), and fails when it did not end in order. After `kill()` or
    `terminate()`, `start()` brings it back where it was.

    Args:
        shards: Their URLs.
        local: Watch the servers of this machine.
        xmlrpc: Open the XML-RPC server, too.
        http: Open the HTTP server, too.
        config_text: A configuration file's text; it stays in `config_path`, which may be rewritten.
        environ: Variables on top of this process's own.
        args: More options of `zinfo serve`.
        keys: By which this object and the daemon know each other.
    """

    def __init__(
        self,
        shards: Sequence[str] = (),
        *,
        local: bool = False,
        xmlrpc: bool = False,
        http: bool = False,
        config_text: str | None = None,
        environ: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        keys: ClientKeys | None = None,
    ) -> None:
        self._keys = keys
        self.query = ""  #: The query endpoint; from the first start on.
        self.bus = ""  #: The bus; likewise.
        self.xmlrpc = ""  #: URL of the XML-RPC server; empty where it is closed.
        self._wants_xmlrpc = xmlrpc
        self.http = ""  #: URL of the HTTP server, likewise.
        self._wants_http = http
        self._options = [
            *(f"--shard={url}" for url in shards),
            *(["--local"] if local else []),
            *args,
        ]
        self._environ = {**os.environ, **(environ or {})}
        self.directory = Path(tempfile.mkdtemp(prefix="zi-", dir="/tmp"))
        self.config_path = self.directory / "zinfo.toml"
        self._log_path = self.directory / "log"
        if config_text is not None:
            self.config_path.write_text(config_text, encoding="utf-8")
            self._options.append(f"--config={self.config_path}")
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self.last_log = ""  #: What it had said when its directory was removed.

    # -- what it is

    @property
    def pid(self) -> int:
        """The process that runs, or ran last."""
        if self._process is None:
            raise DaemonError("no process before the first start")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists (suspended counts)."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """All that it has said since its first start."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    # -- life

    def start(self) -> Self:
        """Start the process and wait until it answers.

        Raises:
            DaemonError: It exited, or did not answer in time; with its log.
        """
        if self.running:
            raise DaemonError(f"{self.query} runs already")
        chosen = not self.query
        for attempt in range(BIND_RETRIES):
            if chosen:
                self._choose_addresses()
            try:
                self._start_once()
            except AddressTaken:
                if not chosen or attempt == BIND_RETRIES - 1:
                    raise
            else:
                break
        return self

    def kill(self) -> None:
        """SIGKILL it."""
        self._killed = True
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT)

    def terminate(self) -> int:
        """SIGTERM it and wait for its end.

        Returns:
            Its exit code.

        Raises:
            DaemonError: It had to be killed.
        """
        if self._process is None:
            raise DaemonError("no process before the first start")
        if self.running:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
                raise DaemonError(f"did not end in {STOP_TIMEOUT} s:\n{self.log()}") from None
        return self._process.returncode

    def restart(self) -> Self:
        """End it and start it again at the same endpoints: a new process id and epoch."""
        self.terminate()
        return self.start()

    def suspend(self) -> None:
        """SIGSTOP: it keeps its connections, but answers nothing."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGHUP."""
        os.kill(self.pid, number)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._remove()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._process is not None and not self._killed:
                code = self.terminate()
                if code and error is None:
                    raise DaemonError(f"the daemon ended with {code}:\n{self.log()}")
        finally:
            self._remove()

    # -- talking to it

    def ask(self, op: str, /, **args: object) -> Reply:
        """Ask one question over a new plain socket.

        Args:
            op: The operation.
            args: Its arguments.

        Returns:
            The reply, errors included.

        Raises:
            DaemonError: There was none in time.
        """
        return self._ask(Request(op, args), REPLY_TIMEOUT)

    def wait_polled(self, count: int, timeout: float = REPLY_TIMEOUT) -> None:
        """Wait until it has the INFO of so many shards.

        Args:
            count: How many.
            timeout: Seconds to wait.
        """
        wait_until(lambda: self._polled() >= count, timeout, f"{count} shards to be polled")

    # -- inside

    def _choose_addresses(self) -> None:
        """Not any free port: one of the kernel's choice may go to a client while we are down."""
        self.query = f"tcp://{HOST}:{free_port()}"
        self.bus = f"tcp://{HOST}:{free_port()}"
        if self._wants_xmlrpc:
            self.xmlrpc = f"http://{HOST}:{free_port()}/"
        if self._wants_http:
            self.http = f"http://{HOST}:{free_port()}/"

    def _command(self) -> list[str]:
        command = [*command_prefix(), sys.executable, "-m", "zinfo", "serve", *self._options]
        command += [f"--query={self.query}", f"--bus={self.bus}"]
        if self.xmlrpc:
            command.append(f"--xmlrpc={urlsplit(self.xmlrpc).netloc}")
        if self.http:
            command.append(f"--http={urlsplit(self.http).netloc}")
        return command

    def _start_once(self) -> None:
        self._killed = False
        with self._log_path.open("ab") as log:
            begin = log.tell()
            # A session of its own, so that Ctrl-C reaches only pytest.
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=ROOT,
                env=self._environ,
            )
        try:
            self._wait_ready(begin)
        except BaseException:
            self.kill()
            raise

    def _wait_ready(self, log_begin: int) -> None:
        """Wait until *this* process listens and answers: another one may hold a port we lost."""
        deadline = time.monotonic() + START_TIMEOUT
        while not self._listens():
            said = self._log_path.read_bytes()[log_begin:].decode(errors="replace")
            if not self.running:
                taken = "Address already in use" in said
                raise (AddressTaken if taken else DaemonError)(f"the daemon exited:\n{said}")
            if time.monotonic() > deadline:
                raise DaemonError(f"the daemon does not listen:\n{said}")
            time.sleep(0.01)
        self._ask(Request("ping"), max(0.1, deadline - time.monotonic()))

    def _listens(self) -> bool:
        with contextlib.suppress(psutil.Error):
            connections = psutil.Process(self.pid).net_connections("tcp")
            ports = {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
            return urlsplit(self.query).port in ports
        return False

    def _ask(self, request: Request, timeout: float) -> Reply:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.linger = 0
            if self._keys is not None:
                set_curve_keys(socket, self._keys)
            socket.connect(self.query)
            socket.send_multipart(encode_request(request))
            if not socket.poll(int(timeout * 1000)):
                raise DaemonError(f"no reply to {request.op} within {timeout} s:\n{self.log()}")
            return decode_reply(socket.recv_multipart())

    def _polled(self) -> int:
        body = self.ask("shards").body
        assert isinstance(body, list)
        return sum(shard["revision"] > 0 for shard in body)

    def _remove(self) -> None:
        self.last_log = self.log()
        with contextlib.suppress(Exception):
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
