"""A process that reads large target groups, so that the daemon's event loop is not blocked.

The daemon writes a `GroupFormat`, the size of the text, and the text to its standard input. The
reply is a list of targets in each piece, and a `Rest` at the end, or a `Failure`; see
`zinfo/loop/pieces.py`. Only targets that the rules of the source keep are sent.
"""

from __future__ import annotations

import contextlib
import itertools
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from zinfo.discovery.sources.target_groups import GroupFormat, read_target_groups
from zinfo.discovery.target import Target
from zinfo.errors import SourceError
from zinfo.loop.pieces import LENGTH, Readable, read_exactly, read_piece, serve

COMMAND = "from zinfo.discovery.sources.decode_process import main; main()"
"""The Python code of this process."""

_TARGETS = 50  # per piece
_MAX_MEMORY = 4 << 30  # bytes of address space; 64 MiB of JSON need about a quarter of that

Targets: TypeAlias = "list[tuple[str, Target]]"


class Failure(NamedTuple):
    """The only piece if the text cannot be used.

    Attributes:
        message: text of the `SourceError`.
    """

    message: str


class Rest(NamedTuple):
    """The last piece: what an `Answer` has beside its targets."""

    skipped: Mapping[str, int]
    notes: tuple[str, ...]


Request: TypeAlias = "tuple[GroupFormat, bytes]"


def pieces(request: Request) -> Iterator[Failure | Targets | Rest]:
    """Read target groups, and yield their targets in pieces."""
    form, data = request
    try:
        answer = read_target_groups(data, form, lambda: None)
    except SourceError as error:
        yield Failure(str(error))
        return
    items = iter(answer.targets.items())
    while piece := list(itertools.islice(items, _TARGETS)):
        yield piece
    yield Rest(answer.skipped, answer.notes)


def main() -> None:
    """Serve one request on the standard streams."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    # If memory is short, the kernel is to end this process and not the daemon.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    serve(_read_request, pieces)


def _read_request(source: Readable) -> Request:
    form: GroupFormat = read_piece(source)
    (size,) = LENGTH.unpack(read_exactly(source, LENGTH.size))
    return form, read_exactly(source, size)
