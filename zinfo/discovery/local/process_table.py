"""Finds the servers among this machine's processes, through psutil.

A scan runs every few seconds, so its cost depends on what has changed: it reads the name of every
process, but the sockets, which are expensive, only of new processes with the name of a server. To
read the sockets of one process parses every socket of the machine; to read those of all processes
parses them once, but visits the open files of every process. With 274 processes, 200 of them
servers, the first way took 700 ms for all servers, the second 12 ms. So the second is used for many
processes, the first for few.
"""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import psutil

from zinfo.discovery.local.processes import (
    SERVER_NAMES,
    Listener,
    LocalServer,
    ProcessFacts,
    locate,
)

REINSPECT_INTERVAL = 60.0
"""Seconds after which a known process is inspected again: its ports may change at runtime."""

SETTLE_TIME = 10.0
"""Seconds in which a new process is inspected at every scan until its address is certain."""

MAX_SINGLE = 2
"""Up to this many processes are inspected one by one; of more, all sockets are read at once."""


class _Process(Protocol):
    """The part of `psutil.Process` that is used."""

    @property
    def pid(self) -> int: ...
    def name(self) -> str: ...
    def exe(self) -> str: ...
    def cmdline(self) -> list[str]: ...
    def cwd(self) -> str: ...
    def create_time(self) -> float: ...
    def ppid(self) -> int: ...
    def status(self) -> str: ...
    def num_fds(self) -> int: ...
    def uids(self) -> Sequence[int]: ...
    def is_running(self) -> bool: ...
    def net_connections(self, kind: str = ...) -> Sequence[_Connection]: ...


class _Connection(Protocol):
    """The part of psutil's descriptions of a socket that is used."""

    @property
    def family(self) -> int: ...
    @property
    def type(self) -> int: ...
    @property
    def laddr(self) -> object: ...
    @property
    def status(self) -> str: ...


class Key(NamedTuple):
    """Identifies a process, also against a later one with the same PID."""

    pid: int
    create_time: float


class Refusal(NamedTuple):
    """A process that cannot be a shard, and why; each is reported once."""

    pid: int
    name: str
    reason: str


@dataclass(slots=True)
class Scan:
    """The result of one scan.

    Attributes:
        servers: all servers, including those without an address so far.
        refusals: the processes that were refused for the first time in this scan.
    """

    servers: list[LocalServer] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """A process with the name of a server, and the result of its last inspection."""

    name: str
    settle_until: float
    due: float = 0.0
    server: LocalServer | None = None
    refused: bool = False


class _OtherNetworkError(Exception):
    """The process is in another network namespace: its addresses are not this machine's."""


def _all_connections() -> Mapping[int, list[_Connection]]:
    """Return the sockets of all processes that this user is allowed to see, by PID."""
    found: dict[int, list[_Connection]] = defaultdict(list)
    for connection in psutil.net_connections("all"):
        if connection.pid is not None:
            found[connection.pid].append(connection)
    return found


def _check_network(pid: int) -> None:
    """Raise if the process is in another network namespace, as in a container.

    Raises:
        PermissionError: this user is not allowed to inspect the process.
        _OtherNetworkError: the process is in another network namespace.
    """
    try:
        own, other = (Path(f"/proc/{name}/ns/net").readlink() for name in ("self", pid))
    except FileNotFoundError:
        return  # this system has no namespaces, or the process has ended
    if own != other:
        raise _OtherNetworkError


class ProcessTable:
    """Finds servers and stores the results, so that the next scan is cheap.

    Not thread-safe, but it can be used in any thread. It does not log: threads of gevent's pool
    should not take the locks of logging.

    Args:
        processes: lists the processes; replaced by tests.
        connections: returns all sockets by PID.
        check_network: raises if a process is in another network namespace.
    """

    def __init__(
        self,
        processes: Callable[[], Iterable[_Process]] = psutil.process_iter,
        connections: Callable[[], Mapping[int, Sequence[_Connection]]] = _all_connections,
        check_network: Callable[[int], None] = _check_network,
    ) -> None:
        self._processes = processes
        self._connections = connections
        self._check_network = check_network
        self._known: dict[Key, _Known] = {}
        self._by_exe: dict[tuple[int, str], str | None] = {}

    def scan(self, now: float) -> Scan:
        """Scan the current processes.

        Args:
            now: the monotonic clock, in seconds.

        Returns:
            All servers, and the processes that were refused for the first time.

        Raises:
            psutil.Error: the process table cannot be read.
            OSError: the process table cannot be read.
        """
        result = Scan()
        present = self._list_servers(now)
        due = [(key, process) for key, process in present.items() if self._known[key].due <= now]
        connections = self._connections_of(due)
        for key, process in due:
            refusal = self._inspect(key, process, connections, now)
            if refusal:
                result.refusals.append(refusal)
        result.servers = [known.server for known in self._known.values() if known.server]
        return result

    def _list_servers(self, now: float) -> dict[Key, _Process]:
        """Update the known processes and return them, without zombies."""
        present: dict[Key, _Process] = {}
        known: dict[Key, _Known] = {}
        by_exe: dict[tuple[int, str], str | None] = {}
        for process in self._processes():
            try:
                name = self._server_name(process, by_exe)
                if not name or not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                key = Key(process.pid, process.create_time())
            except psutil.Error:
                continue  # it has ended, or this user is not allowed to read its name
            present[key] = process
            known[key] = self._known.get(key) or _Known(name, settle_until=now + SETTLE_TIME)
        self._known, self._by_exe = known, by_exe
        return present

    def _server_name(
        self, process: _Process, by_exe: dict[tuple[int, str], str | None]
    ) -> str | None:
        """Return the server program that the process runs, if any: by its name, else by its file.

        The file is read once for each process and name, as that costs as much as the whole scan.
        """
        name = process.name()
        if name in SERVER_NAMES:
            return name
        key = (process.pid, name)
        if key in self._by_exe:
            program = self._by_exe[key]
        else:
            try:
                file = PurePosixPath(process.exe()).name
            except (psutil.Error, OSError):
                file = ""
            program = file if file in SERVER_NAMES else None
        by_exe[key] = program
        return program

    def _connections_of(
        self, due: Sequence[tuple[Key, _Process]]
    ) -> Mapping[int, Sequence[_Connection]] | None:
        """Return all sockets by PID if many processes are due; None to read each on its own."""
        if len(due) <= MAX_SINGLE:
            return None
        try:
            return self._connections()
        except psutil.AccessDenied:
            return None  # some systems allow only single processes of the same user

    def _inspect(
        self,
        key: Key,
        process: _Process,
        connections: Mapping[int, Sequence[_Connection]] | None,
        now: float,
    ) -> Refusal | None:
        """Store the address of a process; return a refusal if it is the first of this process."""
        known = self._known[key]
        known.due = now + REINSPECT_INTERVAL
        try:
            server = locate(self._facts(key, known.name, process, connections))
        except (psutil.NoSuchProcess, ProcessLookupError):
            del self._known[key]
            return None
        except (psutil.AccessDenied, PermissionError):
            return self._refuse(key, known, "this user is not allowed to inspect it")
        except _OtherNetworkError:
            return self._refuse(key, known, "it is in another network namespace, as in a container")
        if known.server and known.server.address and server and not server.address:
            known.settle_until = now + SETTLE_TIME  # it has closed its port
        known.server = server
        settled = server is None or (server.address is not None and server.certain)
        if not settled and now < known.settle_until:
            known.due = now
        return None

    def _refuse(self, key: Key, known: _Known, reason: str) -> Refusal | None:
        if known.refused:
            return None
        known.refused = True
        return Refusal(key.pid, known.name, reason)

    def _facts(
        self,
        key: Key,
        name: str,
        process: _Process,
        connections: Mapping[int, Sequence[_Connection]] | None,
    ) -> ProcessFacts:
        self._check_network(key.pid)
        if connections is None:
            sockets = process.net_connections("all")
        else:
            sockets = connections.get(key.pid, ())
            if not sockets:
                process.num_fds()  # raises if the list is empty for lack of permission
        return ProcessFacts(
            pid=key.pid,
            create_time=key.create_time,
            name=name,
            parent=process.ppid(),
            command=tuple(process.cmdline()),
            listeners=_listeners(sockets),
            sockets=_unix_paths(sockets, process),
            uids=frozenset(process.uids()),
        )


def _listeners(connections: Iterable[_Connection]) -> tuple[Listener, ...]:
    return tuple(
        Listener(*connection.laddr[:2])
        for connection in connections
        if connection.status == psutil.CONN_LISTEN and isinstance(connection.laddr, tuple)
    )


def _unix_paths(connections: Iterable[_Connection], process: _Process) -> tuple[str, ...]:
    """Return the paths of a process's Unix sockets; accepted ones have the path of the listener."""
    paths = {
        connection.laddr
        for connection in connections
        if connection.family == socket.AF_UNIX
        and connection.type == socket.SOCK_STREAM
        and isinstance(connection.laddr, str)
    }
    # An empty path is unnamed, one that begins with "@" is abstract: no file.
    named = {path for path in paths if path and not path.startswith("@")}
    if all(path.startswith("/") for path in named):
        return tuple(sorted(named))
    return tuple(sorted(str(PurePosixPath(process.cwd()) / path) for path in named))
