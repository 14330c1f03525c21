"""The servers among this machine's processes, through psutil.

A scan runs every few seconds, so it costs what has changed: every process is asked for its name,
only a new one that has the name of a server for its sockets, which is the expensive part. Asking
one process parses every socket of the machine again; asking all of them at once parses them once,
but visits the open files of every process. On 274 processes, 200 of them servers, the first took
700 ms for all servers, the second 12 ms: so many are asked at once, and few one by one.
"""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import psutil

from zinfo.watchers.processes import SERVER_NAMES, Listener, LocalServer, ProcessFacts, locate

REINSPECT_INTERVAL = 60.0
"""Seconds after which a known process is looked at again: its ports can be changed at runtime."""

SETTLE_TIME = 10.0
"""Seconds in which a new process is looked at in every scan until its address is certain."""

FEW = 2
"""Up to so many processes are asked for their sockets one by one."""


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
    """What tells a process from any other, also from a later one with its PID."""

    pid: int
    create_time: float


class Refusal(NamedTuple):
    """A process that cannot be a shard, and why; each is reported once."""

    pid: int
    name: str
    reason: str


@dataclass(slots=True)
class Scan:
    """What one scan found.

    Attributes:
        servers: every server, those without an address yet included.
        refusals: what was refused in this scan for the first time.
    """

    servers: list[LocalServer] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """A process that has the name of a server, and what its last inspection said."""

    name: str
    settle_until: float
    due: float = 0.0
    server: LocalServer | None = None
    refused: bool = False


class _OtherNetworkError(Exception):
    """The process has a network of its own: its addresses are not this machine's."""


def _all_connections() -> Mapping[int, list[_Connection]]:
    """Every process's sockets, as far as they may be seen, by PID."""
    found: dict[int, list[_Connection]] = defaultdict(list)
    for connection in psutil.net_connections("all"):
        if connection.pid is not None:
            found[connection.pid].append(connection)
    return found


def _check_network(pid: int) -> None:
    """Raise where the process lives in another network namespace, as in a container.

    Raises:
        PermissionError: It may not be asked.
        _OtherNetworkError: It does.
    """
    try:
        own, other = (Path(f"/proc/{who}/ns/net").readlink() for who in ("self", pid))
    except FileNotFoundError:
        return  # no such thing on this system, or the process has gone
    if own != other:
        raise _OtherNetworkError


class ProcessTable:
    """Finds servers, and remembers what it found, so that the next scan is cheap.

    Not thread-safe, but it may be used in any thread. It does not log: threads of gevent's pool
    should not take the locks that logging takes.

    Args:
        processes: lists the processes; tests have their own.
        connections: lists all sockets by PID.
        check_network: raises where a process has another network than this one.
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
        """Look at the processes of this moment.

        Args:
            now: the monotonic clock, seconds.

        Returns:
            Every server there is, and what was refused for the first time.

        Raises:
            psutil.Error: the process table cannot be read.
            OSError: likewise.
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
        """Bring the known processes up to date and return them; no zombies."""
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
                continue  # it has gone, or even its name is a secret
            present[key] = process
            known[key] = self._known.get(key) or _Known(name, settle_until=now + SETTLE_TIME)
        self._known, self._by_exe = known, by_exe
        return present

    def _server_name(
        self, process: _Process, by_exe: dict[tuple[int, str], str | None]
    ) -> str | None:
        """Return which server the process is, if any: by its name, else by its program.

        The program is asked for once a process and name, as that costs as much as all the rest.
        """
        name = process.name()
        if name in SERVER_NAMES:
            return name
        question = (process.pid, name)
        if question in self._by_exe:
            answer = self._by_exe[question]
        else:
            try:
                program = PurePosixPath(process.exe()).name
            except (psutil.Error, OSError):
                program = ""
            answer = program if program in SERVER_NAMES else None
        by_exe[question] = answer
        return answer

    def _connections_of(
        self, due: Sequence[tuple[Key, _Process]]
    ) -> Mapping[int, Sequence[_Connection]] | None:
        """All sockets by PID where many processes are asked; None to ask each on its own."""
        if len(due) <= FEW:
            return None
        try:
            return self._connections()
        except psutil.AccessDenied:
            return None  # some systems show only one's own processes, one by one

    def _inspect(
        self,
        key: Key,
        process: _Process,
        connections: Mapping[int, Sequence[_Connection]] | None,
        now: float,
    ) -> Refusal | None:
        """Learn a process's address; return the reason where that is refused for the first time."""
        known = self._known[key]
        known.due = now + REINSPECT_INTERVAL
        try:
            server = locate(self._facts(key, known.name, process, connections))
        except (psutil.NoSuchProcess, ProcessLookupError):
            del self._known[key]
            return None
        except (psutil.AccessDenied, PermissionError):
            return self._refuse(key, known, "it may not be inspected by this user")
        except _OtherNetworkError:
            return self._refuse(key, known, "it has a network of its own, as in a container")
        if known.server and known.server.address and server and not server.address:
            known.settle_until = now + SETTLE_TIME  # it has closed its port: watch it
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
                process.num_fds()  # raises where the list is empty for want of permission
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
    """The absolute paths of a process's Unix sockets; accepted ones have the listener's."""
    paths = {
        connection.laddr
        for connection in connections
        if connection.family == socket.AF_UNIX
        and connection.type == socket.SOCK_STREAM
        and isinstance(connection.laddr, str)
    }
    # An empty one is nameless, one that begins with "@" is no file.
    named = {path for path in paths if path and not path.startswith("@")}
    if all(path.startswith("/") for path in named):
        return tuple(sorted(named))
    return tuple(sorted(str(PurePosixPath(process.cwd()) / path) for path in named))
