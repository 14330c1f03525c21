"""AnswerStorage: stores the shards of each source soon after they change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import cast

import gevent

from zinfo.discovery.answer_file import StoredAnswer
from zinfo.discovery.source_state import SourceState
from zinfo.discovery.stored_answers import StoredAnswers
from zinfo.discovery.target import Target
from zinfo.wire.slices import SliceSpec

STORE_INTERVAL = 5.0
"""Least number of seconds between two writes of the file of one source."""

CHECK_INTERVAL = 0.5
"""Seconds between two checks whether something is to be stored."""

RETRY_INTERVAL = 30.0
"""Seconds after a write that failed."""


class AnswerStorage:
    """Stores what the sources list, together with what stays although they no longer list it.

    After a restart, shards that are missing or held are still known, and are judged again.

    Args:
        answers: the files.
        states: the sources; iterated over again and again.
        turn: returns a context in which no source changes.
        pause: yields to the event loop, in a turn.
        slice_spec: the slice of all shards that is stored; None for all.
    """

    def __init__(
        self,
        answers: StoredAnswers,
        states: Iterable[SourceState],
        turn: Callable[[], AbstractContextManager[None]],
        pause: Callable[[], object],
        slice_spec: SliceSpec | None = None,
    ) -> None:
        self._answers = answers
        self._slice = slice_spec
        self._states = states
        self._turn = turn
        self._pause = pause
        self._stored: dict[str, int] = {}  # version of the members in the file, by source
        self._due: dict[str, float] = {}  # monotonic clock from which a source may be written

    def run(self) -> None:
        """Store changes; to be run in a greenlet."""
        while True:
            gevent.sleep(CHECK_INTERVAL)
            self.store_changes()

    def store_changes(self, *, at_once: bool = False) -> None:
        """Store each source that has changed since it was last stored.

        Args:
            at_once: whether to do so even if it was stored less than `STORE_INTERVAL` ago.
        """
        for state in self._states:
            version = state.membership.version
            is_stored = self._stored.get(state.name) == version
            if not state.answered or is_stored:
                continue
            if at_once or time.monotonic() >= self._due.get(state.name, 0.0):
                self._store(state)

    def restore(self, state: SourceState) -> StoredAnswer | None:
        """Return the stored answer of a source; None if there is none."""
        return self._answers.load(state.name, self._pause)

    def mark_stored(self, state: SourceState) -> None:
        """Note that the members of a source are those in its file."""
        self._stored[state.name] = state.membership.version

    def remove(self, name: str) -> None:
        """Delete the file of a source that is gone."""
        self._stored.pop(name, None)
        self._due.pop(name, None)
        self._answers.remove(name)

    def _store(self, state: SourceState) -> None:
        with self._turn():
            # Only the sources of programs have members of another type, and those are not stored.
            members = cast("Mapping[str, Target]", state.membership.members)
            version = state.membership.version
            write = self._answers.store(state.name, members, self._pause, self._slice)
        is_stored = write()
        if is_stored:
            self._stored[state.name] = version
        state.note = f"it cannot be stored: {self._answers.problem}" if not is_stored else ""
        delay = STORE_INTERVAL if is_stored else RETRY_INTERVAL
        self._due[state.name] = time.monotonic() + delay
