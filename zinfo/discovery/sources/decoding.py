"""Reads target groups without holding the event loop: small ones here, large ones in a process."""

from __future__ import annotations

from collections.abc import Sequence

import gevent

from zinfo.discovery.sources.decode_process import COMMAND, Failure, Rest
from zinfo.discovery.sources.target_groups import GroupFormat, read_target_groups
from zinfo.discovery.target import Answer, Target
from zinfo.errors import SourceError
from zinfo.loop.child_process import Stream, child_process
from zinfo.loop.pieces import LENGTH, framed, read_piece
from zinfo.loop.yielding import CooperativeYield

MAX_SIZE = 64 << 20
"""Maximum size of a text with target groups, in bytes."""

SMALL_SIZE = 16 << 10
"""Bytes of JSON that are parsed in well below 2 ms, in which Python's decoder cannot yield."""

DECODE_TIMEOUT = 120.0
"""Seconds in which a text must be read; on a busy machine the process waits for the daemon."""


def decode_target_groups(
    data: Sequence[bytes], form: GroupFormat, *, timeout: float = DECODE_TIMEOUT
) -> Answer:
    """Return the targets of a text; blocks the calling greenlet only.

    Args:
        data: the text, in parts, of at most `MAX_SIZE` bytes.
        form: how it is read.
        timeout: seconds in which it must be read.

    Raises:
        SourceError: the text cannot be used, or not in this time.
    """
    size = sum(map(len, data))
    if size <= SMALL_SIZE:
        yielder = CooperativeYield(background=True)
        return read_target_groups(b"".join(data), form, yielder.maybe_yield)
    limit = gevent.Timeout(timeout)
    try:
        with child_process(COMMAND) as (source, sink), limit:
            _send(sink, size, data, form)
            return _receive(source)
    except gevent.Timeout as error:
        if error is not limit:
            raise
        raise SourceError(f"it could not be decoded within {timeout:g} s") from None
    except (EOFError, BrokenPipeError):
        raise SourceError("the process that decodes it exited without a result") from None
    except OSError as error:
        raise SourceError(f"cannot start a process to decode it: {error.strerror}") from None


def _send(sink: Stream, size: int, data: Sequence[bytes], form: GroupFormat) -> None:
    sink.write(framed(form) + LENGTH.pack(size))
    for part in data:
        sink.write(part)
    sink.flush()


def _receive(source: Stream) -> Answer:
    targets: dict[str, Target] = {}
    yielder = CooperativeYield(background=True)
    while type(piece := read_piece(source)) is list:
        targets.update(piece)
        yielder.maybe_yield()
    if isinstance(piece, Failure):
        raise SourceError(piece.message)
    assert isinstance(piece, Rest)
    return Answer(targets, piece.skipped, piece.notes)
