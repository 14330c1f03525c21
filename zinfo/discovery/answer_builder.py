"""AnswerBuilder: collects the candidates of one read of a source into an answer. Pure."""

from __future__ import annotations

from collections import Counter

from zinfo.discovery.rules import SkippedError, TargetRules
from zinfo.discovery.target import Answer, Candidate, Target
from zinfo.errors import SourceError

MAX_TARGETS = 200_000
"""Maximum number of targets of one source; an answer with more is refused as a whole."""

MAX_REASONS = 50
"""Maximum number of different reasons for skipped candidates; the rest is counted as one."""

MAX_NOTES = 20
"""Maximum number of remarks of one answer."""

MAX_REASON = 200
"""Maximum number of characters of a reason or a remark."""

OTHER_REASONS = "other reasons"
"""Counts the candidates skipped for more reasons than `MAX_REASONS`."""


class AnswerBuilder:
    """Collects what one read of a source lists.

    Args:
        rules: the rules of the source.
    """

    def __init__(self, rules: TargetRules) -> None:
        self._rules = rules
        self._slice = rules.slice
        self._targets: dict[str, Target] = {}
        self._elsewhere: set[str] = set()  # ids in other slices
        self._skipped: Counter[str] = Counter()
        self._notes: list[str] = []

    def add(self, candidate: Candidate) -> None:
        """Add a candidate, or count why it is skipped.

        Of two candidates with the same id the first is used; the second is skipped, and counted
        unless both are equal.

        Raises:
            SourceError: there are more than `MAX_TARGETS`.
        """
        try:
            made = self._rules.apply(candidate)
        except SkippedError as error:
            self.skip(str(error))
            return
        if made is not None:
            self.add_target(*made)

    def add_target(self, ident: str, target: Target) -> None:
        """Add a target that the rules made before, if it is in the slice of the rules.

        Raises:
            SourceError: there are more than `MAX_TARGETS`.
        """
        present = self._targets.get(ident)
        if present is not None:
            if present != target:
                self.skip(f"the id {ident} is given twice")
        elif ident in self._elsewhere:  # also if a label of this one would put it into the slice
            return
        elif self._slice is not None and not self._slice.includes(ident, target.labels):
            self._elsewhere.add(ident)
        else:
            self._targets[ident] = target
            if len(self._targets) > MAX_TARGETS:
                raise SourceError(f"it lists more than {MAX_TARGETS} shards")

    def skip(self, reason: str, count: int = 1) -> None:
        """Count candidates that are skipped.

        Args:
            reason: why, in a few words, without a secret; equal ones are counted together.
            count: number of candidates.
        """
        reason = _line(reason)
        if reason not in self._skipped and len(self._skipped) >= MAX_REASONS:
            reason = OTHER_REASONS
        self._skipped[reason] += count

    def note(self, text: str) -> None:
        """Add a remark about a part of the source, without a secret."""
        if len(self._notes) < MAX_NOTES:
            self._notes.append(_line(text))

    def answer(self, *, incomplete: bool = False) -> Answer:
        """Return what was collected.

        Args:
            incomplete: see `Answer`.
        """
        return Answer(self._targets, dict(self._skipped), tuple(self._notes), incomplete)


def _line(text: str) -> str:
    text = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text[:MAX_REASON])
    return text[:MAX_REASON]
