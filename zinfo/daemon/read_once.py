"""Reads sources once, all at the same time: what `zinfo check --discover` prints."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import gevent
from gevent.event import Event

from zinfo.discovery.source import Source
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError

_CLOSE_TIMEOUT = 1.0  # seconds for reads that took too long to end


class Reading(NamedTuple):
    """The result of one read of a source.

    Attributes:
        name: name of the source.
        kind: its type.
        answer: what it listed; None if the read failed.
        error: why the read failed, in one line without a secret; "" if it did not.
        duration: seconds that the read took.
    """

    name: str
    kind: str
    answer: Answer | None
    error: str
    duration: float


def read_once(sources: Sequence[Source], timeout: float) -> list[Reading]:
    """Read each source once, and close it.

    Blocks for at most `timeout` and about a second. Ctrl-C ends it at once.

    Args:
        sources: sources that have not been read.
        timeout: seconds after which a read has failed.

    Returns:
        The result of each source, in the same order.

    Raises:
        KeyboardInterrupt: SIGINT was received.
    """
    readings: dict[Source, Reading] = {}
    done = Event()

    def read(source: Source) -> None:
        readings[source] = _read(source)
        if len(readings) == len(sources):
            done.set()

    interrupted = Event()

    def interrupt() -> None:
        interrupted.set()
        done.set()

    with _handled(signal.SIGINT, interrupt):
        greenlets = [gevent.spawn(read, source) for source in sources]
        try:
            if greenlets:
                done.wait(timeout)
        finally:
            gevent.killall(greenlets, timeout=_CLOSE_TIMEOUT)
            for source in sources:
                source.close()
    if interrupted.is_set():
        raise KeyboardInterrupt
    late = f"no answer within {timeout:g} s"
    return [
        readings.get(source) or Reading(source.name, source.kind, None, late, timeout)
        for source in sources
    ]


def _read(source: Source) -> Reading:
    start = time.monotonic()
    answer, error = None, ""
    try:
        answer = source.read()
        if answer is None:
            error = "no answer"
    except SourceError as failure:
        error = str(failure)
    except Exception as failure:
        error = f"internal error: {type(failure).__name__}"
    return Reading(source.name, source.kind, answer, error, time.monotonic() - start)


@contextlib.contextmanager
def _handled(number: int, handler: Callable[[], None]) -> Iterator[None]:
    """Call a function at a signal: gevent would print a traceback for KeyboardInterrupt."""
    before = signal.getsignal(number)
    watcher = gevent.signal_handler(number, handler)
    try:
        yield
    finally:
        watcher.cancel()
        signal.signal(number, before)
