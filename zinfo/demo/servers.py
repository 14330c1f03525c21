"""The servers of the demo: on free ports of 127.0.0.1, small, without persistence."""

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
"""Below the ephemeral ports, so that no outgoing connection takes the port of a killed server."""

MAX_MEMORY = "64mb"
"""Limit of each server's data; above it, the least recently used keys are evicted."""

REPLICA_FROM = 3
"""With this many servers or more, the last one is a replica of the first."""

REPLY_SECONDS = 2.0
"""How long a server may take to answer a command."""

_START_SECONDS = 10.0  # for a server to answer
_PORT_TRIES = 20  # where other programs take the chosen port first
_CHECK_SECONDS = 0.02  # between two checks whether a server answers


class PortTakenError(Exception):
    """Another program took the port that was free a moment ago."""


class EmbeddedServer:
    """One server process; it keeps its port when it is killed and started again.

    Args:
        program: the program to run.
        children: starts and ends the process.
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
        """Its shard id."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis://{self.ident}"

    @property
    def running(self) -> bool:
        """Whether its process is running."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> redis.Redis:
        """Return a client with one connection and without retries."""
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
            self._children.kill(self._process)  # removes what may be left of the former process
        self._log.unlink(
            missing_ok=True
        )  # the log is of this start only, and does not grow for ever
        self._process = self._children.start(
            self._command(),
            self._log,
            # Valkey does not start in a locale that the machine does not have.
            env={**os.environ, "LC_ALL": "C"},
        )

    def kill(self) -> None:
        """SIGKILL it, as if its machine had failed."""
        if self._process is not None:
            self._children.kill(self._process)

    def start_on_free_port(self) -> None:
        """Start the process on another port."""
        self.port = free_port()
        self.start()

    def ready(self) -> bool:
        """Return whether this very process answers, and not another one on the same port.

        Raises:
            PortTakenError: it ended because the port is taken.
            EnvironmentNotReadyError: it ended for another reason.
        """
        if self._process is not None and not self.running:
            output = self._log.read_text(errors="replace").strip()
            if "in use" in output:
                raise PortTakenError(self.ident)
            last = output.splitlines()[-1:] or ["no output"]
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
    """Return a free port; another program may take it a moment later."""
    chance = random.SystemRandom()
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port


def start_servers(
    program: ServerProgram, count: int, children: Children, stopping: Callable[[], bool]
) -> list[EmbeddedServer]:
    """Start servers and wait until they answer.

    Args:
        program: the program to run.
        count: how many.
        children: starts and ends the processes.
        stopping: whether a signal came; then the wait ends.

    Raises:
        EnvironmentNotReadyError: one does not start.
    """
    first = EmbeddedServer(program, children, "server-1")
    first.start()
    _await_all([first], stopping)  # replicas need its final port
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
    _await_all(others, stopping)
    return [first, *others]


def _await_all(servers: list[EmbeddedServer], stopping: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    tries = dict.fromkeys(servers, 1)
    waiting = list(servers)
    while waiting and not stopping():
        server = waiting[0]
        try:
            if server.ready():
                waiting.pop(0)
                continue
        except PortTakenError as error:
            tries[server] += 1
            if tries[server] > _PORT_TRIES:
                raise EnvironmentNotReadyError(f"no free port: {error} is also taken") from None
            server.start_on_free_port()
        if time.monotonic() > deadline:
            raise EnvironmentNotReadyError(f"{server.ident} does not answer")
        time.sleep(_CHECK_SECONDS)
