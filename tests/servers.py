"""Real servers for the tests: a server process, started, queried, stopped and killed.

This module works in a plain process and in one that gevent has patched. A server never outlives
its test: the context manager kills it, and the kernel kills it if pytest itself dies.
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
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import Self, override

from tests.load import put_load
from tests.managed_process import START_TIMEOUT, ManagedProcess
from tests.resp import pack, read_reply
from tests.server_kinds import SOURCES, ServerError, ServerKind, available_kinds
from tests.spawning import HOST, command_prefix, free_port

__all__ = [
    "RealServer",
    "ServerError",
    "ServerKind",
    "available_kinds",
    "free_port",
    "put_load",
]

STOP_TIMEOUT = 30.0
"""Seconds between SIGTERM and SIGKILL."""

REPLY_TIMEOUT = 30.0
"""Seconds to wait for one reply."""


class RealServer(ManagedProcess):
    """One server process on 127.0.0.1, without persistence, in a directory of its own.

    Entering starts it and waits until it replies; leaving kills it. After `stop()` and `kill()`,
    `start()` starts it again at the same port and in the same directory.

    Args:
        kind: Server program; default: the first of `available_kinds()`.
        port: TCP port; default: a free one, chosen at the first start.
        unixsocket: Whether to listen only on a Unix socket.
        args: Further options, such as `("--maxmemory", "100mb")`; they override those set here.
        password: Password that it requires.
        directory: Its working directory, with its log; default: a temporary one, removed at the
            end.
        host: Address that it binds to.
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
        # The path of a Unix socket is limited to 107 bytes, so not below pytest's long tmp_path.
        # It is created at the first start, so that a server that is never started leaves nothing.
        super().__init__(Path(directory or f"/tmp/zi-{secrets.token_hex(4)}"), ServerError)
        self.kind = kind
        self.host = host
        self.password = password
        self.args = tuple(args)
        self._port = 0 if unixsocket else port
        self._own_directory = directory is None
        self.socket_path = self.directory / "s" if unixsocket else None
        self._accepts_loading = False
        self._killed: subprocess.Popen[bytes] | None = None  # the last process that was killed
        self._clients: list[redis.Redis] = []

    # -- address and output

    @property
    def port(self) -> int:
        """TCP port; 0 for a server on a Unix socket."""
        if self._port is None:
            raise ServerError("no port before the first start")
        return self._port

    @property
    def ident(self) -> str:
        """Its shard id: `host:port`, or the path of its socket."""
        if self.socket_path:
            return str(self.socket_path)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Its `redis://` or `unix://` URL, with the password if it has one."""
        user = f":{quote(self.password, safe='')}@" if self.password else ""
        return (
            f"unix://{user}{self.socket_path}"
            if self.socket_path
            else f"redis://{user}{self.ident}"
        )

    @property
    def log(self) -> str:
        """Its output since the first start."""
        return self._output()

    # -- start and stop

    def start(self, *, loaded: bool = True) -> Self:
        """Start the process and wait until it replies.

        Args:
            loaded: Whether to wait until its data is loaded; otherwise `-LOADING` is enough.

        Raises:
            ServerError: It is running already, exited, or did not reply in time; with its output.
        """
        self._accepts_loading = not loaded
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._start(self._choose_port if self._port is None else None)
        return self

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if that takes too long."""
        if self.running:
            self.resume()
            os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._reap(STOP_TIMEOUT)
        self.kill()

    @override
    def kill(self) -> None:
        """Send SIGKILL to it and to its children that save data, which would survive it."""
        if self._process is None or self._killed is self._process:
            return  # killed already: its number may be that of another process by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._reap(START_TIMEOUT)
        self._killed = self._process

    def restart(self) -> Self:
        """Stop it, and start it again at the same address: with another process id."""
        self.stop()
        return self.start()

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
        """Kill the process, close its clients, remove the temporary directory."""
        try:
            self.kill()
        finally:
            for client in self._clients:
                client.close()
            self._clients.clear()
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    # -- commands

    def client(self) -> redis.Redis:
        """A new redis-py client, without retries; it is closed with the server."""
        made: redis.Redis = redis.Redis.from_url(
            self.url,
            socket_timeout=REPLY_TIMEOUT,
            socket_connect_timeout=REPLY_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._clients.append(made)
        return made

    def cli(self, *args: str | bytes | int) -> bytes:
        """Send one command over a new connection.

        Returns:
            The raw reply, with its type byte and line ends.
        """
        with self._connect() as connection, connection.makefile("rb") as stream:
            if self.password:
                connection.sendall(pack("AUTH", self.password))
                read_reply(stream)
            connection.sendall(pack(*args))
            return read_reply(stream)

    def info_text(self, section: str = "everything") -> bytes:
        """The raw text of INFO."""
        reply = self.cli("INFO", section)
        if not reply.startswith(b"$"):
            raise ServerError(f"the reply to INFO is {reply!r}")
        return reply.partition(b"\r\n")[2][:-2]

    # -- implementation

    def _choose_port(self) -> None:
        self._port = free_port()

    @override
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

    @override
    def _is_ready(self) -> bool:
        try:
            pong = self.cli("PING")
            if pong != b"+PONG\r\n" and not (
                self._accepts_loading and pong.startswith(b"-LOADING")
            ):
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
