"""Counting what came on the bus, to know what did not. Pure."""

from __future__ import annotations


class RevisionTally:
    """Counts the revisions of one kind of message, shard by shard and against the daemon's totals.

    Attributes:
        last: newest revision seen of each shard.
    """

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self._accounted = 0
        self._total: int | None = None
        self._unsure: set[str] = set()  # shards that a total may have counted more of than came

    def saw(self, shard: str, revision: int) -> int:
        """Count one message.

        Returns:
            How many messages of the shard are missing before it: 0 for none, or when it is the
            shard's first here or since a total told of missing ones; -1 when a newer one came
            before, or the same.
        """
        last = self.last.get(shard)
        if last is not None and revision <= last:
            return -1
        missing = 0 if last is None or shard in self._unsure else revision - last - 1
        self.last[shard] = revision
        self._unsure.discard(shard)
        self._accounted += 1 + missing  # what is known to be missing is no news to the totals
        return missing

    def forget(self, shard: str) -> None:
        """The shard is gone; if it comes back, it starts anew."""
        self.last.pop(shard, None)

    def missing(self, total: int) -> int:
        """Compare with the daemon's total; the next comparison starts from here.

        Returns:
            How many messages the totals count and `saw` did not; 0 the first time.
        """
        missing = 0 if self._total is None else total - self._total - self._accounted
        self._total, self._accounted = total, 0
        if missing:  # told now; counted again when its shard is known, it would hide the next loss
            self._unsure = set(self.last)
        return missing


class EventTally:
    """Follows the number that every event of the daemon has.

    Attributes:
        newest: highest number up to which all is accounted for; None before the first.
    """

    def __init__(self) -> None:
        self.newest: int | None = None

    def saw(self, number: int) -> int:
        """Count one event; returns how many are missing before it, -1 when it is not new."""
        newest = self.newest
        if newest is not None and number <= newest:
            return -1
        self.newest = number
        return 0 if newest is None else number - newest - 1

    def missing(self, total: int) -> int:
        """Compare with the daemon's total: how many events it counts more, or less if negative."""
        newest = total if self.newest is None else self.newest
        self.newest = max(newest, total)
        return total - newest
