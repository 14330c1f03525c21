"""A process of its own that reads a configuration, for a daemon whose event loop must not wait.

The daemon writes a `Request` to its standard input, and keeps that open: when it ends, for whatever
reason, so does this process. The answer comes on standard output, in pieces, each of which takes
the daemon well below a millisecond to read. Both are pickles: the pipes belong to the daemon, and
both sides run the same code. Passwords go through these pipes only, never through a file or an
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
"""Bytes of the piece that follows it."""

COMMAND = "from zinfo.config.loader_process import main; main()"
"""What this process is to run."""

_SHARDS = 20  # of a piece
_NICENESS = 10  # where there is one core only, the daemon goes first


class Request(NamedTuple):
    """Which configuration to read; the environment is that of the process.

    Attributes:
        file: a TOML file; None for no file.
        flags: the command line, as `load_config` takes it.
    """

    file: Path | None
    flags: Mapping[str, tuple[str, object]]


class Problems(NamedTuple):
    """A piece that says why there is no configuration.

    Attributes:
        lines: of the `ConfigError`.
    """

    lines: list[str]


class Whole(NamedTuple):
    """The first piece of a configuration.

    Attributes:
        config: all of it but its shards.
        shards: how many follow.
        notes: what `exposure_notes` says of its files, of which there may be as many as shards.
    """

    config: Config
    shards: int
    notes: tuple[str, ...]


Piece: TypeAlias = "Problems | Whole | list[ShardConfig]"


def pieces(request: Request, environ: Mapping[str, str]) -> Iterator[Piece]:
    """Read a configuration, and yield it in pieces."""
    try:
        config = load_config(request.file, environ, request.flags)
    except ConfigError as error:
        yield Problems(list(error.problems))
        return
    shards = config.shards
    notes = exposure_notes(config, request.file)
    yield Whole(config.model_copy(update={"shards": ()}), len(shards), notes)
    for start in range(0, len(shards), _SHARDS):
        yield list(shards[start : start + _SHARDS])


def framed(value: object) -> bytes:
    """Return a value as it goes through a pipe."""
    packed = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(packed)) + packed


def main() -> None:
    """Answer one request on the standard streams."""
    with contextlib.suppress(OSError):  # a service manager may forbid it
        os.nice(_NICENESS)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    (length,) = LENGTH.unpack(source.read(LENGTH.size))
    request: Request = pickle.loads(source.read(length))
    threading.Thread(target=_end_with_the_daemon, args=(source,), daemon=True).start()
    for piece in pieces(request, os.environ):
        sink.write(framed(piece))
    sink.flush()
    os._exit(0)  # the other thread still reads, which the end of the interpreter would wait for


def _end_with_the_daemon(source: BinaryIO) -> None:
    source.read()
    os._exit(1)
