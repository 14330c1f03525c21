"""SourceReader: reads one source again and again, and waits longer while it fails."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import gevent

from zinfo.discovery.answer_builder import MAX_TARGETS
from zinfo.discovery.shard_spec import SpecAnswer
from zinfo.discovery.source_state import SourceState
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError
from zinfo.loop.supervisor import Supervisor

JITTER = 0.1
"""Part of the interval by which reads are moved at random: many daemons may share a source."""

MAX_BACKOFF = 60.0
"""Greatest number of seconds between two reads of a failing source with a shorter interval."""


class SourceReader:
    """Reads the source of a state in a greenlet of its own.

    An unexpected exception of a source is reported as a fault, and counts as a failed read.

    Args:
        state: the source, and what is known of it.
        begin: called before the first read, in the same greenlet.
        follow: called with each answer, or None for an unchanged one.
        report: called with the name of the task and the exception when a source's code crashes.
    """

    def __init__(
        self,
        state: SourceState,
        begin: Callable[[SourceState], None],
        follow: Callable[[SourceState, Answer | None], None],
        report: Callable[[str, BaseException], None],
    ) -> None:
        self._state = state
        self._begin = begin
        self._follow = follow
        self._supervisor = Supervisor(report=report)
        self._begun = False
        self._due = 0.0  # monotonic clock of the next read
        self._unfinished: Answer | None = None  # an answer that was not followed to its end
        self._incomplete = False  # whether the newest answer lacks a part of the source

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._supervisor.spawn(f"source {self._state.name}", self._run)

    def stop(self) -> None:
        """End reading."""
        self._supervisor.stop()

    def _run(self) -> None:
        if not self._begun:
            self._begun = True  # first: what crashes is not tried again
            self._begin(self._state)
        while True:
            gevent.sleep(max(self._due - time.monotonic(), 0))
            try:
                self._read()
            finally:
                self._due = time.monotonic() + self._delay()

    def _read(self) -> None:
        started = time.monotonic()
        try:
            answer = self._state.entry.source.read()
            duration = time.monotonic() - started
            _check_size(answer)
        except SourceError as error:
            self._state.fail(str(error))
            return
        except (Exception, gevent.Timeout) as error:
            self._state.fail(f"unexpected {type(error).__name__}; the log has more")
            raise
        answer = answer or self._unfinished
        if answer is not None:
            self._unfinished, self._incomplete = answer, answer.incomplete
        if answer is not None or not self._incomplete:
            self._follow(self._state, answer)
        self._unfinished = None
        self._state.succeed(answer, duration)

    def _delay(self) -> float:
        source = self._state.entry.source
        interval = source.interval
        if self._state.failures > 1 and source.backs_off:
            backoff = interval * 2.0 ** min(self._state.failures - 1, 16)
            interval = max(interval, min(backoff, MAX_BACKOFF))
        return interval * random.uniform(1 - JITTER, 1 + JITTER)


def _check_size(answer: Answer | None) -> None:
    if answer is None:
        return
    members = answer.specs if isinstance(answer, SpecAnswer) else answer.targets
    if len(members) > MAX_TARGETS:
        raise SourceError(f"it lists more than {MAX_TARGETS} shards")
