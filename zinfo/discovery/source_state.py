"""SourceState: one source of a `Discovery`, with its members, its counters and its status."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeAlias

from zinfo.discovery.membership import Membership
from zinfo.discovery.shard_spec import ShardSpec
from zinfo.discovery.source_entry import SourceEntry
from zinfo.discovery.target import Answer, Target
from zinfo.shards.source_status import FAILED, OK, WAITING, SourceStatus
from zinfo.wire import lifecycle

logger = logging.getLogger(__name__)

Member: TypeAlias = Target | ShardSpec
"""What a source says of a shard: a target, or a complete description."""

Emit: TypeAlias = Callable[[str, str, str], object]
"""Emits an event: its type, the name of the source, and a message."""

_MAX_ERROR = 500  # characters of the text of an error


class SourceState:
    """One source, its members, and what is known of its reads.

    Args:
        entry: the source and its guard.
        pause: called between any two members while they change; may switch to other greenlets.
        emit: emits the events of the source.

    Attributes:
        entry: the source and its guard.
        membership: its shards.
        answered: whether it has been read successfully, or an answer was restored.
        owned: number of live shards that come from it.
        refused: number of its targets that cannot be watched, by reason.
        added: shards that it added since the start.
        removed: shards that it removed since the start.
        failures: failed reads in a row.
        note: a remark of the engine about the source; "" for none.
    """

    def __init__(self, entry: SourceEntry, pause: Callable[[], object], emit: Emit) -> None:
        self.entry = entry
        self.membership: Membership[Member] = Membership(entry.guard, pause)
        self.answered = False
        self.owned = 0
        self.refused: Counter[str] = Counter()
        self.added = 0
        self.removed = 0
        self.failures = 0
        self.note = ""
        self._emit = emit
        self._skipped: dict[str, int] = {}
        self._notes: tuple[str, ...] = ()
        self._error = ""
        self._reads = 0
        self._failed_reads = 0
        self._last_success: float | None = None
        self._last_duration: float | None = None
        self._holds = False

    @property
    def name(self) -> str:
        """The unique name of the source."""
        return self.entry.source.name

    def succeed(self, answer: Answer | None, duration: float | None) -> None:
        """Count a successful read that was followed.

        Args:
            answer: the answer; None for an unchanged one.
            duration: seconds that the read took; None if that means nothing.
        """
        self._reads += 1
        self._last_success = time.time()
        self._last_duration = duration
        self.answered = True
        if answer is not None:
            self._report_skipped(answer.skipped)
            self._skipped, self._notes = dict(answer.skipped), answer.notes
        if self.failures:
            logger.info("source %s can be read again", self.name)
            self._emit(lifecycle.SOURCE_RECOVERED, self.name, "it can be read again")
        self.failures, self._error = 0, ""

    def _report_skipped(self, skipped: Mapping[str, int]) -> None:
        """Log the candidates of an answer that are skipped, if those of the last one were not."""
        if skipped and not self._skipped:
            reasons = ", ".join(f"{text} ({count})" for text, count in skipped.items())
            total = sum(skipped.values())
            logger.warning("source %s: %d skipped: %s", self.name, total, reasons[:_MAX_ERROR])

    def fail(self, error: str) -> None:
        """Count a failed read; nothing changes.

        Args:
            error: why it failed, without a secret.
        """
        self._failed_reads += 1
        self._error = _one_line(error)
        self.failures += 1
        if self.failures == 1:
            logger.warning(
                "source %s cannot be read, and its shards stay: %s", self.name, self._error
            )
            self._emit(lifecycle.SOURCE_FAILED, self.name, self._error)

    def report_hold(self) -> None:
        """Log and emit that shards are held, once for each time that this begins."""
        held = self.membership.held
        if bool(held) == self._holds:
            return
        self._holds = bool(held)
        if not held:
            logger.info("source %s: no shards are held any more", self.name)
            return
        release = time.localtime(time.time() + self.entry.guard.release)
        message = (
            f"{held} of {self.membership.answering} shards that reply are missing from its answer; "
            f"they stay until {time.strftime('%H:%M', release)} or "
            f"`zinfo sources accept {self.name}`"
        )
        logger.warning("source %s: %s", self.name, message)
        self._emit(lifecycle.SOURCE_HELD, self.name, message)

    def status(self) -> SourceStatus:
        """Return what is known of the source."""
        members = self.membership
        state = FAILED if self.failures else OK if self._reads else WAITING
        return SourceStatus(
            name=self.name,
            kind=self.entry.source.kind,
            state=state,
            shards=len(members.members),
            owned=self.owned,
            missing=members.missing,
            held=members.held,
            skipped={**self._skipped, **self.refused},
            notes=(*self._notes, *([self.note] if self.note else [])),
            error=self._error,
            failures=self.failures,
            last_success=self._last_success,
            last_duration=self._last_duration,
            reads=self._reads,
            failed_reads=self._failed_reads,
            added=self.added,
            removed=self.removed,
        )


def _one_line(text: str) -> str:
    text = " ".join(text[:_MAX_ERROR].split())
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)[:_MAX_ERROR]
