"""Reads the configuration again while the daemon runs, in a separate process.

Parsing and validating thousands of shards takes seconds of CPU time, and a thread would hold the
GIL for most of it. A process with libzmq's threads cannot be forked safely, so a new Python process
is started.
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

READ_TIMEOUT = 60.0
"""Seconds in which a configuration must be read."""

_Stream: TypeAlias = "FileObjectPosix[Any, bytes]"

_WAIT_INTERVAL = 0.01  # seconds between two waitpid() calls
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # reset to default: may be ignored here


class LoadedConfig(NamedTuple):
    """A configuration that was read.

    Attributes:
        config: the whole configuration.
        notes: a message for each file that other users can read or change.
    """

    config: Config
    notes: tuple[str, ...]


class Reloader:
    """Reloads the configuration on request, once at a time.

    Args:
        reload: reads and applies the configuration; must not raise.
    """

    def __init__(self, reload: Callable[[], None]) -> None:
        self._reload = reload
        self._requested = Event()

    def request(self) -> None:
        """Request a reload. All requests during a reload are served by one more reload after it."""
        self._requested.set()

    def run(self) -> None:
        """Serve requests; runs in a greenlet of its own."""
        while True:
            self._requested.wait()
            self._requested.clear()
            self._reload()


def read_config(
    file: Path | None, flags: Mapping[str, tuple[str, object]], *, timeout: float = READ_TIMEOUT
) -> LoadedConfig:
    """Return what `load_config` returns with this process's environment.

    Blocks the calling greenlet only.

    Args:
        file: a TOML file; None for no file.
        flags: the command line, as for `load_config`.
        timeout: seconds in which the configuration must be read.

    Raises:
        ConfigError: the configuration is not valid, with every problem of every source; or the
            other process could not be started, exited early, or did not respond in time.
    """
    limit = gevent.Timeout(timeout)
    try:
        with _loader_process() as (source, sink), limit:
            sink.write(framed(Request(file, flags)))
            sink.flush()
            return _receive(source)
    except gevent.Timeout as error:
        if error is not limit:
            raise
        raise ConfigError([f"it could not be read within {timeout:g} s"]) from None
    except (EOFError, BrokenPipeError):
        raise ConfigError(["the process that reads it exited without a result"]) from None
    except OSError as error:
        raise ConfigError([f"cannot start a process to read it: {error}"]) from None


def _receive(source: _Stream) -> LoadedConfig:
    first = _read_piece(source)
    if isinstance(first, Problems):
        raise ConfigError(first.lines)
    assert isinstance(first, FirstPiece)
    shards: list[ShardConfig] = []
    yielder = CooperativeYield()
    while len(shards) < first.shards:
        more = _read_piece(source)
        assert isinstance(more, list)
        shards += more
        yielder.maybe_yield()
    return LoadedConfig(first.config.model_copy(update={"shards": tuple(shards)}), first.notes)


def _read_piece(source: _Stream) -> Piece:
    (length,) = LENGTH.unpack(_read_exactly(source, LENGTH.size))
    piece: Piece = pickle.loads(_read_exactly(source, length))
    return piece


def _read_exactly(source: _Stream, count: int) -> bytes:
    data: bytes = source.read(count)
    if len(data) < count:
        raise EOFError
    return data


@contextlib.contextmanager
def _loader_process() -> Iterator[tuple[_Stream, _Stream]]:
    """Start the loader process; yields its stdout and its stdin. Kills it on exit.

    Raises:
        OSError: the process could not be started.
    """
    stdin, stdout = os.pipe(), os.pipe()
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(FileObjectPosix(stdout[0], "rb"))
        sink = stack.enter_context(FileObjectPosix(stdin[1], "wb"))
        try:
            pid = _spawn(stdin[0], stdout[1])
        finally:
            os.close(stdin[0])
            os.close(stdout[1])
        stack.callback(_kill, pid)
        yield source, sink


def _spawn(stdin: int, stdout: int) -> int:
    """Start Python with this process's `sys.path`, whatever its working directory."""
    command = f"import sys; sys.path[:] = {sys.path!r}; {COMMAND}"
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", command],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)],
        setpgroup=0,  # so that Ctrl-C in a terminal reaches the daemon only
        setsigdef=_SIGNALS,
    )


def _kill(pid: int) -> None:
    """Kill a process if it still runs, and reap it."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            gevent.sleep(_WAIT_INTERVAL)
