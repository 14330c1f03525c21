"""The configuration read again while the daemon works: in another process, one after the other.

Parsing and validating thousands of shards takes seconds of CPU time, and a thread would hold the
interpreter's lock for much of it. A fork of a process with ZeroMQ's threads is no way either; the
other process is a new one.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import gevent
from gevent.event import Event
from gevent.fileobject import FileObjectPosix

from zinfo.config import Config, ShardConfig
from zinfo.config.loader_process import (
    COMMAND,
    LENGTH,
    FirstPiece,
    Piece,
    Problems,
    Request,
    framed,
)
from zinfo.errors import ConfigError
from zinfo.loop.yielding import CooperativeYield

LONGEST = 60.0
"""Seconds until a configuration that has not been read by then counts as one that cannot be."""

_Stream: TypeAlias = "FileObjectPosix[Any, bytes]"

_LOOK = 0.01  # seconds between two looks whether a process has ended
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # which a daemon may have ignored


class Loaded(NamedTuple):
    """A configuration that was read.

    Attributes:
        config: the whole of it.
        notes: a line for each file that others may read or change.
    """

    config: Config
    notes: tuple[str, ...]


class Reloads:
    """Has the configuration read again whenever that is asked for, never twice at a time.

    Args:
        reload: reads and applies it; must not raise.
    """

    def __init__(self, reload: Callable[[], None]) -> None:
        self._reload = reload
        self._wanted = Event()

    def request(self) -> None:
        """Ask for one. Those asked for while one is under way are done together, after it."""
        self._wanted.set()

    def run(self) -> None:
        """Do what is asked for, for ever; to be run in a greenlet."""
        while True:
            self._wanted.wait()
            self._wanted.clear()
            self._reload()


def read_config(
    file: Path | None, flags: Mapping[str, tuple[str, object]], *, timeout: float = LONGEST
) -> Loaded:
    """Return what `load_config` gives with this process's environment, and hold nothing up.

    To be called in a greenlet; others run meanwhile.

    Args:
        file: a TOML file; None for no file.
        flags: the command line, as `load_config` takes it.
        timeout: seconds for all of it.

    Raises:
        ConfigError: with every problem of every source; or the other process did not start, ended,
            or did not answer in time.
    """
    limit = gevent.Timeout(timeout)
    try:
        with _process() as (source, sink), limit:
            sink.write(framed(Request(file, flags)))
            sink.flush()
            return _received(source)
    except gevent.Timeout as error:
        if error is not limit:
            raise
        raise ConfigError([f"it could not be read within {timeout:g} s"]) from None
    except (EOFError, BrokenPipeError):
        raise ConfigError(["the process that reads it ended without an answer"]) from None
    except OSError as error:
        raise ConfigError([f"no process could be started to read it: {error}"]) from None


def _received(source: _Stream) -> Loaded:
    first = _piece(source)
    if isinstance(first, Problems):
        raise ConfigError(first.lines)
    assert isinstance(first, FirstPiece)
    shards: list[ShardConfig] = []
    yielder = CooperativeYield()
    while len(shards) < first.shards:
        more = _piece(source)
        assert isinstance(more, list)
        shards += more
        yielder.maybe_yield()
    return Loaded(first.config.model_copy(update={"shards": tuple(shards)}), first.notes)


def _piece(source: _Stream) -> Piece:
    (length,) = LENGTH.unpack(_exactly(source, LENGTH.size))
    piece: Piece = pickle.loads(_exactly(source, length))
    return piece


def _exactly(source: _Stream, count: int) -> bytes:
    data: bytes = source.read(count)
    if len(data) < count:
        raise EOFError
    return data


@contextlib.contextmanager
def _process() -> Iterator[tuple[_Stream, _Stream]]:
    """Start the process that reads configurations, and give what it writes and what it reads.

    However this is left, the process is ended.

    Raises:
        OSError: it could not be started.
    """
    theirs, ours = os.pipe(), os.pipe()  # what it reads and what it writes
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(FileObjectPosix(ours[0], "rb"))
        sink = stack.enter_context(FileObjectPosix(theirs[1], "wb"))
        try:
            pid = _spawn(theirs[0], ours[1])
        finally:
            os.close(theirs[0])
            os.close(ours[1])
        stack.callback(_end, pid)
        yield source, sink


def _spawn(stdin: int, stdout: int) -> int:
    """Start Python with the modules that this process would import, not those of where it is."""
    command = f"import sys; sys.path[:] = {sys.path!r}; {COMMAND}"
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", command],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)],
        setpgroup=0,  # Ctrl-C in a terminal is for the daemon
        setsigdef=_SIGNALS,
    )


def _end(pid: int) -> None:
    """End a process where it has not ended, and wait until the system has forgotten it."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            gevent.sleep(_LOOK)
