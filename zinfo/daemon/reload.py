"""Reads the configuration again while the daemon runs, in a separate process.

Parsing and validating thousands of shards takes seconds of CPU time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gevent
from gevent.event import Event

from zinfo.config import Config
from zinfo.config.loader_process import COMMAND, FirstPiece, Problems, Request
from zinfo.errors import ConfigError
from zinfo.loop.child_process import Stream, child_process
from zinfo.loop.pieces import framed, read_piece
from zinfo.loop.yielding import CooperativeYield

READ_TIMEOUT = 60.0
"""Seconds in which a configuration must be read."""


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
        with child_process(COMMAND) as (source, sink), limit:
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


def _receive(source: Stream) -> LoadedConfig:
    first = read_piece(source)
    if isinstance(first, Problems):
        raise ConfigError(first.lines)
    assert isinstance(first, FirstPiece)
    tables: dict[str, object] = {
        "shards": tuple(_tables(source, first.shards)),
        "sources": tuple(_tables(source, first.sources)),
    }
    if first.credentials:
        tables["credentials"] = dict(_tables(source, first.credentials))
    return LoadedConfig(first.config.model_copy(update=tables), first.notes)


def _tables(source: Stream, count: int) -> list[Any]:
    """Return as many tables as were announced, which follow in pieces."""
    tables: list[Any] = []
    yielder = CooperativeYield(background=True)
    while len(tables) < count:
        more = read_piece(source)
        assert isinstance(more, list)
        tables += more
        yielder.maybe_yield()
    return tables
