"""A separate process that loads a configuration, so that the daemon's event loop is not blocked.

The daemon writes a `Request` to its standard input, and it writes the result to its standard output
in pieces, as `zinfo/loop/pieces.py` says. Passwords pass only through these pipes, never through a
file or an argument.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from zinfo.config.credentials import NamedCredentialsConfig
from zinfo.config.exposure import exposure_notes
from zinfo.config.loading import load_config
from zinfo.config.models import Config, ShardConfig
from zinfo.config.source_models import SourceConfig
from zinfo.errors import ConfigError
from zinfo.loop.pieces import read_piece, serve

COMMAND = "from zinfo.config.loader_process import main; main()"
"""The Python code of this process."""

_TABLES = 20  # per piece


class Request(NamedTuple):
    """The inputs of the configuration; the environment is that of the process.

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
        config: the configuration without its shards, its sources and its credentials.
        shards: number of shards in the pieces that follow.
        sources: number of sources in the pieces after those.
        credentials: number of credentials, each with its name, in the pieces after those.
        notes: result of `exposure_notes`, which may check as many files as there are shards.
    """

    config: Config
    shards: int
    sources: int
    credentials: int
    notes: tuple[str, ...]


Table: TypeAlias = "ShardConfig | SourceConfig | tuple[str, NamedCredentialsConfig]"
Piece: TypeAlias = "Problems | FirstPiece | list[Table]"


def pieces(request: Request, environ: Mapping[str, str]) -> Iterator[Piece]:
    """Load a configuration, and yield it in pieces."""
    try:
        config = load_config(request.file, environ, request.flags)
    except ConfigError as error:
        yield Problems(list(error.problems))
        return
    shards, sources, credentials = config.shards, config.sources, [*config.credentials.items()]
    notes = exposure_notes(config, request.file)
    without: dict[str, object] = {"shards": (), "sources": ()}
    if credentials:
        without["credentials"] = {}
    rest = config.model_copy(update=without)
    yield FirstPiece(rest, len(shards), len(sources), len(credentials), notes)
    arrays: tuple[Sequence[Table], ...] = (shards, sources, credentials)
    for tables in arrays:
        for start in range(0, len(tables), _TABLES):
            yield list(tables[start : start + _TABLES])


def main() -> None:
    """Serve one request on the standard streams."""
    serve(read_piece, lambda request: pieces(request, os.environ))
