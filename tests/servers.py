"""Real servers for the tests: one process of a kind, started, asked, stopped and killed.

Everything here works in a plain process and in one that gevent has patched. A server never
outlives its test: the context manager kills it, and the kernel does so when pytest itself dies.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import Self

from tests.load import put_load
from tests.resp import pack, read_reply
from tests.server_kinds import SOURCES, ServerError, ServerKind, available_kinds
from tests.spawning import HOST, command_prefix, free_port

__all__ = [
    "PortTaken",
    "RealServer",
    "ServerError",
    "ServerKind",
    "available_kinds",
    "free_port",
    "put_load",
]

START_TIMEOUT = 15.0
"""Seconds until a server that does not answer has failed to start."""

STOP_TIMEOUT = 3.0
"""Seconds between SIGTERM and SIGKILL."""

REPLY_TIMEOUT = 5.0
"""Seconds to wait for one reply."""

BIND_RETRIES = 20
"""How many ports are tried when others keep taking the chosen one first."""


class PortTaken(ServerError):
    """Somebody else listens on the port that the server was told to use."""


class RealServer:
    """One server process on 127.0.0.1, without persistence, in a directory of its own.

    Entering starts it and waits until it answers; leaving kills it. `stop()` and `kill()` keep
    port and directory, so that `start()` brings it back at the same place.

    Args:
        kind: Which program; default: the first of `available_kinds()`.
        port: The TCP port; default: a free one, chosen at the first start.
        unixsocket: Listen on a Unix socket only, with TCP off.
        args: More options, as `("--maxmemory", "100mb")`; they win over those set here.
        password: Required of clients, and used by this object.
        directory: Where it runs and logs; default: a temporary one, removed at the end.
        host: The address that it binds to and is asked at.
    """

    def __init__(
        self,
        kind: ServerKind | None = None,
        *,
        port: int | None = None,
        unixsocket: bool = False,
        args: Sequence[str] = (),
        password: str | None = None,
        directory: Path | str | None = None,
        host: str = HOST,
    ) -> None:
        if kind is None:
            kinds = available_kinds()
            if not kinds:
                raise ServerError("; ".join(source.hint for source in SOURCES))
            kind = kinds[0]
        self.kind = kind
        self.host = host
        self.password = password
        self.args = tuple(args)
        self._port = 0 if unixsocket else port
        self._own_directory = directory is None
        # A Unix socket's path ends at 107 bytes: not below pytest's long tmp_path.
        # Made at the first start, so that a server that is never started leaves nothing.
        self.directory = Path(directory or f"/tmp/zi-{secrets.token_hex(4)}")
        self.socket_path = self.directory / "s" if unixsocket else None
        self._log_path = self.directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[redis.Redis] = []

    # -- where it is

    @property
    def port(self) -> int:
        """The TCP port; 0 for a server on a Unix socket."""
        if self._port is None:
            raise ServerError("no port before the first start")
        return self._port

    @property
    def ident(self) -> str:
        """What zinfo calls it: `host:port`, or the socket's path."""
        if self.socket_path:
            return str(self.socket_path)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """A `redis://` or `unix://` URL, with the password where it has one."""
        user = f":{quote(self.password, safe='')}@" if self.password else ""
        return (
            f"unix://{user}{self.socket_path}"
            if self.socket_path
            else f"redis://{user}{self.ident}"
        )

    @property
    def pid(self) -> int:
        """The process that runs, or ran last."""
        if self._process is None:
            raise ServerError("no process before the first start")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists (suspended counts)."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it has printed since its first start."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    # -- life

    def start(self, *, loaded: bool = True) -> Self:
        """Start the process and wait until it answers.

        Args:
            loaded: Wait until it has loaded its data, too; without, `-LOADING` is an answer.

        Raises:
            ServerError: It runs already, exited, or did not answer in time; with its output.
        """
        if self.running:
            raise ServerError(f"{self.ident} runs already")
        chosen = self._port is None
        for attempt in range(BIND_RETRIES):
            if chosen:
                self._port = free_port()
            try:
                self._start_once(loaded)
            except PortTaken:
                if not chosen or attempt == BIND_RETRIES - 1:
                    raise
            else:
                break
        return self

    def stop(self) -> None:
        """End it politely: SIGTERM, and SIGKILL when that takes too long."""
        if self.running:
            self.resume()
            os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._reap(STOP_TIMEOUT)
        self.kill()

    def kill(self) -> None:
        """SIGKILL it, and its saving children, which would live on."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._reap(START_TIMEOUT)

    def restart(self) -> Self:
        """Stop it and start it again at the same place: a new process id."""
        self.stop()
        return self.start()

    def suspend(self) -> None:
        """SIGSTOP: it keeps its connections, but answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        try:
            return self if self.running else self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process, close what `client()` made, remove the temporary directory."""
        try:
            self.kill()
        finally:
            for client in self._clients:
                client.close()
            self._clients.clear()
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    # -- talking to it

    def client(self) -> redis.Redis:
        """A new redis-py client, closed with the server; it fails at once instead of retrying."""
        made: redis.Redis = redis.Redis.from_url(
            self.url,
            socket_timeout=REPLY_TIMEOUT,
            socket_connect_timeout=REPLY_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._clients.append(made)
        return made

    def cli(self, *args: str | bytes | int) -> bytes:
        """Send one command over a new plain connection.

        Returns:
            The reply as it came, with its type byte and line ends.
        """
        with self._connect() as connection, connection.makefile("rb") as stream:
            if self.password:
                connection.sendall(pack("AUTH", self.password))
                read_reply(stream)
            connection.sendall(pack(*args))
            return read_reply(stream)

    def info_text(self, section: str = "everything") -> bytes:
        """The text of INFO as the server wrote it."""
        reply = self.cli("INFO", section)
        if not reply.startswith(b"$"):
            raise ServerError(f"INFO answers {reply!r}")
        return reply.partition(b"\r\n")[2][:-2]

    # -- inside

    def _command(self) -> list[str]:
        options = {
            "bind": self.host,
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "dir": str(self.directory),
        }
        if self.socket_path:
            options["unixsocket"] = str(self.socket_path)
        if self.password:
            options["requirepass"] = self.password
        command = [*command_prefix(), str(self.kind.binary)]
        for name, value in options.items():
            command += [f"--{name}", value]
        return [*command, *self.args]

    def _start_once(self, loaded: bool) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            begin = log.tell()
            # A session of its own, so that Ctrl-C reaches only pytest, and children die with it.
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_ready(begin, loaded)
        except BaseException:
            self.kill()
            raise

    def _wait_ready(self, log_begin: int, loaded: bool) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers(loaded):
            if not self.running:
                output = self._log_path.read_bytes()[log_begin:].decode(errors="replace")
                taken = "Address already in use" in output
                raise (PortTaken if taken else ServerError)(f"{self.kind} exited:\n{output}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.kind} does not answer:\n{self.log}")
            time.sleep(0.005)

    def _answers(self, loaded: bool) -> bool:
        """Whether *this* process answers: another one may hold the port that we lost."""
        try:
            pong = self.cli("PING")
            if pong != b"+PONG\r\n" and (loaded or not pong.startswith(b"-LOADING")):
                return False
            match = re.search(rb"process_id:(\d+)", self.info_text("server"))
        except (OSError, ServerError):
            return False
        return match is not None and int(match[1]) == self.pid

    def _reap(self, timeout: float) -> None:
        if self._process is not None:
            self._process.wait(timeout)

    def _connect(self) -> socket.socket:
        if not self.socket_path:
            return socket.create_connection((self.host, self.port), timeout=REPLY_TIMEOUT)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(REPLY_TIMEOUT)
            connection.connect(str(self.socket_path))
        except BaseException:
            connection.close()
            raise
        return connection
