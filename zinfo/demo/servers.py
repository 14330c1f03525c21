"""The embedded servers: on free ports of 127.0.0.1, small, without persistence."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from zinfo.demo.children import Children, Process
from zinfo.demo.program import ServerProgram
from zinfo.errors import EnvironmentNotReadyError

HOST = "127.0.0.1"

PORTS = range(20000, 30000)
"""Below the ports that kernels give to outgoing connections, so that none of those takes the port
of a server that is down for a while."""

MAX_MEMORY = "64mb"
"""Of each server's data; above it, what was not used for long goes first."""

REPLICA_FROM = 3
"""With this many servers or more, the last one is a replica of the first."""

REPLY_SECONDS = 2.0
"""How long a server may take to answer a command."""

_START_SECONDS = 10.0  # for a server to answer
_PORT_TRIES = 20  # when others take the chosen port first
_LOOK_SECONDS = 0.02  # between two looks whether a server answers


class PortTakenError(Exception):
    """Somebody else listens on the port that was free a moment ago."""


class EmbeddedServer:
    """One server process; it keeps its port when it is killed and started again.

    Args:
        program: what to run.
        children: starts it, and ends it at the end.
        name: of its log file.
        primary: the server that it is a replica of, if any.
    """

    def __init__(
        self,
        program: ServerProgram,
        children: Children,
        name: str,
        primary: EmbeddedServer | None = None,
    ) -> None:
        self.primary = primary
        self.port = free_port()
        self._program = program
        self._children = children
        self._log = children.directory / f"{name}.log"
        self._process: Process | None = None

    @property
    def ident(self) -> str:
        """What zinfo calls it."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """What zinfo is given."""
        return f"redis://{self.ident}"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> redis.Redis:
        """Return a client with one connection that fails at once instead of trying again."""
        return redis.Redis(
            host=HOST,
            port=self.port,
            max_connections=1,
            socket_timeout=REPLY_SECONDS,
            socket_connect_timeout=REPLY_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def start(self) -> None:
        """Start the process; does not wait until it answers."""
        if self._process is not None:
            self._children.kill(self._process)  # takes what may be left of the former one
        self._log.unlink(missing_ok=True)  # it tells of this start, and does not grow for ever
        self._process = self._children.start(
            self._command(),
            self._log,
            # A locale that this machine does not have would be a reason for it not to start.
            env={**os.environ, "LC_ALL": "C"},
        )

    def kill(self) -> None:
        """SIGKILL, as if its machine had failed."""
        if self._process is not None:
            self._children.kill(self._process)

    def start_on_free_port(self) -> None:
        """Start the process on another port than before."""
        self.port = free_port()
        self.start()

    def ready(self) -> bool:
        """Return whether this very process answers (somebody else may have taken the port).

        Raises:
            PortTakenError: it ended because the port is taken.
            EnvironmentNotReadyError: it ended for another reason.
        """
        if self._process is not None and not self.running:
            said = self._log.read_text(errors="replace").strip()
            if "in use" in said:
                raise PortTakenError(self.ident)
            last = said.splitlines()[-1:] or ["it says nothing"]
            raise EnvironmentNotReadyError(f"{self._program.name} does not start: {last[0]}")
        with contextlib.suppress(redis.RedisError), contextlib.closing(self.client()) as client:
            answer = client.info("server")
            return self._process is not None and answer.get("process_id") == self._process.pid
        return False

    def _command(self) -> list[str | Path]:
        options = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self._children.directory),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "allkeys-lru",
            "repl-diskless-sync": "yes",
            "repl-diskless-sync-delay": "0",
        }
        command: list[str | Path] = [self._program.path]
        for option, value in options.items():
            command += [f"--{option}", value]
        if self.primary is not None:
            command += ["--replicaof", HOST, str(self.primary.port)]
        return command


def free_port() -> int:
    """Return a port that nobody listens on now; it may be taken a moment later."""
    chance = random.SystemRandom()
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port


def start_servers(
    program: ServerProgram, count: int, children: Children, ended: Callable[[], bool]
) -> list[EmbeddedServer]:
    """Start servers and wait until they answer.

    Args:
        program: what to run.
        count: how many.
        children: starts them.
        ended: whether somebody wants to end; then the wait ends, too.

    Raises:
        EnvironmentNotReadyError: one does not start.
    """
    first = EmbeddedServer(program, children, "server-1")
    first.start()
    _await_all([first], ended)  # its port must be settled before a replica is told
    others = [
        EmbeddedServer(
            program,
            children,
            f"server-{number}",
            primary=first if number == count and count >= REPLICA_FROM else None,
        )
        for number in range(2, count + 1)
    ]
    for server in others:
        server.start()
    _await_all(others, ended)
    return [first, *others]


def _await_all(servers: list[EmbeddedServer], ended: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    tries = dict.fromkeys(servers, 1)
    waiting = list(servers)
    while waiting and not ended():
        server = waiting[0]
        try:
            if server.ready():
                waiting.pop(0)
                continue
        except PortTakenError as error:
            tries[server] += 1
            if tries[server] > _PORT_TRIES:
                raise EnvironmentNotReadyError(f"no free port: {error} is taken, too") from None
            server.start_on_free_port()
        if time.monotonic() > deadline:
            raise EnvironmentNotReadyError(f"{server.ident} does not answer")
        time.sleep(_LOOK_SECONDS)
