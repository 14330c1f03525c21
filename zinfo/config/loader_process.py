"""A separate process that loads a configuration, so that the daemon's event loop is not blocked.

The daemon writes a `Request` to the standard input of this process and leaves it open: when the
daemon ends, for any reason, this process ends as well. The result is written to standard output in
pieces that the daemon decodes in well below a millisecond each. Both are pickles, because both ends
of the pipes run the same code. Passwords pass only through these pipes, never through a file or an
argument.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from zinfo.config.exposure import exposure_notes
from zinfo.config.loading import load_config
from zinfo.config.models import Config, ShardConfig
from zinfo.errors import ConfigError

LENGTH = struct.Struct(">Q")
"""Header of a piece: its size in bytes."""

COMMAND = "from zinfo.config.loader_process import main; main()"
"""The Python code of this process."""

_SHARDS = 20  # per piece
_NICENESS = 10  # on a single core the daemon has priority


class Request(NamedTuple):
    """The sources of the configuration; the environment is that of the process.

    Attributes:
        file: a TOML file; None for no file.
        flags: the command line, as for `load_config`.
    """

    file: Path | None
    flags: Mapping[str, tuple[str, object]]


class Problems(NamedTuple):
    """The only piece if there is no valid configuration.

    Attributes:
        lines: of the `ConfigError`.
    """

    lines: list[str]


class FirstPiece(NamedTuple):
    """The first piece of a configuration.

    Attributes:
        config: the configuration without its shards.
        shards: number of shards in the pieces that follow.
        notes: result of `exposure_notes`, which may check as many files as there are shards.
    """

    config: Config
    shards: int
    notes: tuple[str, ...]


Piece: TypeAlias = "Problems | FirstPiece | list[ShardConfig]"


def pieces(request: Request, environ: Mapping[str, str]) -> Iterator[Piece]:
    """Load a configuration, and yield it in pieces."""
    try:
        config = load_config(request.file, environ, request.flags)
    except ConfigError as error:
        yield Problems(list(error.problems))
        return
    shards = config.shards
    notes = exposure_notes(config, request.file)
    yield FirstPiece(config.model_copy(update={"shards": ()}), len(shards), notes)
    for start in range(0, len(shards), _SHARDS):
        yield list(shards[start : start + _SHARDS])


def framed(value: object) -> bytes:
    """Return a value as a piece, with its header."""
    packed = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(packed)) + packed


def main() -> None:
    """Serve one request on the standard streams."""
    with contextlib.suppress(OSError):  # the service manager may forbid it
        os.nice(_NICENESS)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    (length,) = LENGTH.unpack(source.read(LENGTH.size))
    request: Request = pickle.loads(source.read(length))
    threading.Thread(target=_end_with_the_daemon, args=(source,), daemon=True).start()
    for piece in pieces(request, os.environ):
        sink.write(framed(piece))
    sink.flush()
    os._exit(0)  # a normal exit would wait for the other thread, which is still reading


def _end_with_the_daemon(source: BinaryIO) -> None:
    source.read()
    os._exit(1)
