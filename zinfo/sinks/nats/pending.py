"""Which shards wait to be written to the bucket. Pure.

A shard waits once, however often it changes: what is written is what it is at that moment. So what
waits is bounded by the number of shards, and the newest INFO wins. A shard is written again only
`pause` seconds after it was written, so that one that changes often does not take the place of
others.
"""

from __future__ import annotations

from collections import deque


class PendingShards:
    """The shards that changed since they were written; times are seconds of one monotonic clock.

    Args:
        pause: seconds between two values of one shard.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._since: dict[str, float] = {}  # when the oldest change came that is not written
        self._ready: dict[str, None] = {}  # may be written now; the oldest first
        self._in_flight: dict[str, float] = {}  # since when the change waited that is being written
        self._resting: deque[tuple[float, str]] = deque()  # until when, oldest first
        self._rests: set[str] = set()

    def __len__(self) -> int:
        return len(self._since.keys() | self._in_flight.keys())

    @property
    def in_flight(self) -> int:
        """Number of shards that are being written."""
        return len(self._in_flight)

    def has(self, shard: str) -> bool:
        """Return whether a shard waits, or is being written."""
        return shard in self._since or shard in self._in_flight

    def is_in_flight(self, shard: str) -> bool:
        """Return whether a shard is being written."""
        return shard in self._in_flight

    def add(self, shard: str, now: float) -> None:
        """A shard changed.

        Args:
            shard: its id.
            now: the time; minus infinity if it is not known since when the stored value is old.
        """
        since = self._since.get(shard)
        if since is not None:
            self._since[shard] = min(since, now)
            return
        self._since[shard] = now
        if shard not in self._in_flight and shard not in self._rests:
            self._ready[shard] = None

    def take(self, now: float) -> str | None:
        """Return a shard that is to be written now; None if there is none."""
        while self._resting and self._resting[0][0] <= now:
            shard = self._resting.popleft()[1]
            self._rests.discard(shard)
            if shard in self._since and shard not in self._in_flight:
                self._ready[shard] = None
        if not self._ready:
            return None
        shard = next(iter(self._ready))
        del self._ready[shard]
        self._in_flight[shard] = self._since.pop(shard)
        return shard

    def end_rests(self) -> None:
        """Every shard may be written now."""
        for _, shard in self._resting:
            self._rests.discard(shard)
            if shard in self._since and shard not in self._in_flight:
                self._ready[shard] = None
        self._resting.clear()

    def next_at(self) -> float | None:
        """Return when a shard that rests may be written; None if none rests."""
        return self._resting[0][0] if self._resting else None

    def written(self, shard: str, now: float, *, rests: bool = True) -> None:
        """The server has acknowledged what `take` returned, or nothing had to be written.

        Args:
            shard: its id.
            now: the time.
            rests: whether the next value has to wait.
        """
        del self._in_flight[shard]
        if rests:
            self._rests.add(shard)
            self._resting.append((now + self._pause, shard))
        elif shard in self._since:
            self._ready[shard] = None

    def failed(self, shard: str) -> None:
        """The server has not acknowledged what `take` returned: the shard waits again."""
        since = self._in_flight.pop(shard)
        self._since[shard] = min(since, self._since.get(shard, since))
        self._ready[shard] = None

    def waiting_since(self, limit: float) -> set[str]:
        """Return the shards with a change that came before `limit` and is not written."""
        late = {shard for shard, since in self._since.items() if since < limit}
        late.update(shard for shard, since in self._in_flight.items() if since < limit)
        return late
