"""Detects gaps in the sequence numbers of bus messages. Pure.

There are two independent sources. Each shard's messages are numbered, so that a number that was
skipped shows a loss as soon as the next message arrives. Each heartbeat has the totals of what the
daemon has published, so that the loss of a shard's last message is found with the next heartbeat.
"""

from __future__ import annotations


class RevisionGapDetector:
    """Checks the revisions of one kind of message, by shard and against the daemon's total.

    Attributes:
        last: the newest revision received of each shard.
        counted: messages received or known to be missing since the last total.
    """

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.counted = 0
        self._total: int | None = None
        self._unsure: set[str] = set()  # shards whose missing messages a total may have reported

    @property
    def is_sure(self) -> bool:
        """Whether a message whose revision is the next one of its shard is simply counted.

        The owner may then do that itself, in `last` and `counted`.
        """
        return not self._unsure

    def count(self, shard: str, revision: int) -> int:
        """Count one message.

        Returns:
            How many messages of the shard are missing before it; -1 when it is not newer than the
            last one. 0 for the first message of a shard, and for the first one after a total has
            reported missing messages, as these may have been the shard's.
        """
        last = self.last.get(shard)
        if last is not None and revision <= last:
            return -1
        missing = 0 if last is None else revision - last - 1
        self.last[shard] = revision
        if self._unsure and shard in self._unsure:
            missing = 0
            self._unsure.discard(shard)
        self.counted += 1 + missing  # the next total must not report the same loss again
        return missing

    def forget(self, shard: str) -> None:
        """Drop a shard that was removed; its revisions may start again."""
        self.last.pop(shard, None)

    def compare(self, total: int) -> int:
        """Compare with the daemon's total; the next comparison starts from here.

        Returns:
            How many messages the total counts that `count` did not; 0 the first time.
        """
        missing = 0 if self._total is None else total - self._total - self.counted
        self._total, self.counted = total, 0
        if (
            missing
        ):  # reported now; if a shard's gap were counted again, it would hide the next loss
            self._unsure = set(self.last)
        return missing


class NumberGapDetector:
    """Checks numbers that count all messages of one kind: events of one start, or batches.

    Attributes:
        newest: the highest number received or reported; None before the first.
    """

    def __init__(self) -> None:
        self.newest: int | None = None

    def count(self, number: int) -> int:
        """Count one message; return how many are missing before it, -1 when it is not new."""
        newest = self.newest
        if newest is not None and number <= newest:
            return -1
        self.newest = number
        return 0 if newest is None else number - newest - 1

    def compare(self, total: int) -> int:
        """Return how many messages the daemon's total counts more; negative where fewer."""
        newest = total if self.newest is None else self.newest
        self.newest = max(newest, total)
        return total - newest
