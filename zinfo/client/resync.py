"""Which snapshot a Mirror asks for, page by page, and when. Pure.

One request is under way at a time. Before each new snapshot there is a random wait, longer the more
of them were needed lately, so that a thousand Mirrors that lost the same message do not ask at
once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from zinfo.client.bus_session import Timing
from zinfo.wire.query_messages import Request

MAX_IDS = 1000  # asked for in one request
MAX_ID_BYTES = 32768  # of them together; a request may have 64 KiB
CALM_BEATS = 5  # heartbeats without a sign of loss after which waits are short again
_SHARD_SPREAD = 0.2  # part of `Timing.spread` for a snapshot of few shards


@dataclass(slots=True)
class Fetch:
    """A snapshot that is being asked for.

    Attributes:
        everything: whether it is of all shards in scope.
        wanted: the shards that were doubtful, or to be checked, when it was begun.
        parts: ids still to be asked for; an empty part asks for all shards of the daemon.
        asked: the ids of the request under way.
        request_id: of the request under way.
        asked_at: local clock when that was sent.
        cursor: page of the part under way; None for its first.
        number: of the newest event that had come when it was begun.
        seen: ids that came so far.
        tries: how often the page under way was asked for.
        distrusted: a loss was noticed after the request under way was sent.
    """

    everything: bool
    wanted: set[str]
    parts: list[tuple[str, ...]]
    number: int
    asked: tuple[str, ...] = ()
    request_id: int = 0
    asked_at: float = 0.0
    cursor: str | None = None
    seen: set[str] = field(default_factory=set)
    tries: int = 1
    distrusted: bool = False


class Resync:
    """Decides on snapshots.

    Args:
        scope: ids of the shards of interest; None for all.
        next_id: gives ids for requests.
        timing: the waits.
        rng: source of random waits.

    Attributes:
        everything: whether all shards in scope are to be asked for, because nobody knows which
            exist.
        checks: shards to be asked for though there is no sign of a loss.
        fetch: the snapshot under way.
        count: snapshots begun.
    """

    def __init__(
        self,
        scope: frozenset[str] | None,
        next_id: Callable[[], int],
        timing: Timing,
        rng: random.Random,
    ) -> None:
        self.everything = True
        self.checks: set[str] = set()
        self.fetch: Fetch | None = None
        self.count = 0
        self._scope = scope
        self._next_id = next_id
        self._timing = timing
        self._rng = rng
        self._due: float | None = None
        self._level = 0
        self._calm_beats = 0

    @property
    def whole(self) -> bool:
        """Whether it is known which shards exist."""
        return not self.everything and not (self.fetch and self.fetch.everything)

    def rejoin(self, now: float, *, at_once: bool) -> None:
        """The bus was joined: everything is to be asked for."""
        self.fetch = None
        self.checks.clear()
        self.everything = True
        self._due = now if at_once else now + self._rng.uniform(0, self._timing.spread)

    def distrust(self, *, everything: bool = False) -> None:
        """A loss was noticed; what was asked for before cannot clear it."""
        self.everything = self.everything or everything
        if self.fetch:
            self.fetch.distrusted = True

    def calm(self) -> None:
        """A heartbeat came and all is well; after some of them the next wait is short again."""
        self._calm_beats += 1
        if self._calm_beats >= CALM_BEATS:
            self._level = 0

    def schedule(self, now: float) -> None:
        """Something is to be asked for: decide when, unless that is decided."""
        if self._due is None and self.fetch is None:
            spread = self._timing.spread * (1 if self.everything else _SHARD_SPREAD)
            spread = min(spread * 2 ** min(self._level, 16), self._timing.longest_spread)
            self._due = now + self._rng.uniform(0, spread)

    def deadline(self) -> float | None:
        """Return when there is something to do; None while there is not."""
        if self.fetch:
            return self.fetch.asked_at + self._patience(self.fetch)
        return self._due

    def overdue(self, now: float) -> bool:
        """Return whether a page has not come in time."""
        return self.fetch is not None and now > self.fetch.asked_at + self._patience(self.fetch)

    def again(self, now: float) -> Request | None:
        """Return the request that was not answered, to be sent once more; None after too many."""
        fetch = self.fetch
        if fetch is None or fetch.tries >= self._timing.pages:
            return None
        return self._ask(fetch, fetch.asked, fetch.cursor, now, tries=fetch.tries + 1)

    def start(self, doubtful: Iterable[str], held: int, number: int, now: float) -> Request | None:
        """Return the first request of the snapshot that is due, or None.

        Args:
            doubtful: ids of the shards to be asked for, beside the checks.
            held: how many shards are held.
            number: of the newest event that has come.
            now: local clock.
        """
        if self.fetch or self._due is None or now < self._due:
            return None
        self._due = None
        ids = self.checks.union(doubtful)
        self.checks = set()
        if not (self.everything or ids):
            return None
        many = len(ids) > max(MAX_IDS, held / 2)
        all_at_once = self._scope is None and (self.everything or many)
        if self.everything and self._scope is not None:
            ids = set(self._scope)
        parts: list[tuple[str, ...]] = [()] if all_at_once else split(ids)
        fetch = Fetch(self.everything, ids, parts, number)
        self.everything = False
        if not fetch.parts:
            return None
        self.fetch = fetch
        self.count += 1
        self._level += 1
        self._calm_beats = 0
        return self._ask(fetch, fetch.parts.pop(0), None, now)

    def page(self, fetch: Fetch, cursor: str | None, now: float) -> Request | None:
        """A page came; return the request for the next one, or None after the last.

        Args:
            fetch: the snapshot that it belongs to.
            cursor: where the next page of the same part begins; None where there is none.
            now: local clock.
        """
        if cursor is not None:
            return self._ask(fetch, fetch.asked, cursor, now)
        if fetch.parts:
            return self._ask(fetch, fetch.parts.pop(0), None, now)
        self.fetch = None
        return None

    def unknown(self, fetch: Fetch, now: float) -> Request | None:
        """A request was refused because it named an unknown shard; ask for the others.

        Which one it was is found by halving, since the refusal says it to humans only.
        """
        middle = len(fetch.asked) // 2
        if middle:
            fetch.parts[:0] = [fetch.asked[:middle], fetch.asked[middle:]]
        return self.page(fetch, None, now)

    def failed(self) -> None:
        """The snapshot under way came to nothing."""
        if self.fetch:
            self.everything = self.everything or self.fetch.everything
            self.fetch = None

    def _ask(
        self, fetch: Fetch, ids: tuple[str, ...], cursor: str | None, now: float, tries: int = 1
    ) -> Request:
        fetch.request_id, fetch.asked_at = self._next_id(), now
        fetch.asked, fetch.cursor, fetch.distrusted, fetch.tries = ids, cursor, False, tries
        args: dict[str, object] = {"ids": list(ids)} if ids else {}
        if cursor is not None:
            args["cursor"] = cursor
        return Request("snapshot", args, fetch.request_id, self._patience(fetch))

    def _patience(self, fetch: Fetch) -> float:
        """Return the seconds to wait for the page under way; a slow link may need the longest."""
        return self._timing.page * 2.0 ** (fetch.tries - 1)


def split(ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the ids in parts that a request can hold."""
    parts: list[tuple[str, ...]] = []
    part: list[str] = []
    size = 0
    for shard in sorted(ids):
        length = len(shard.encode("utf-8", "backslashreplace"))
        if part and (len(part) == MAX_IDS or size + length > MAX_ID_BYTES):
            parts.append(tuple(part))
            part, size = [], 0
        part.append(shard)
        size += length
    if part:
        parts.append(tuple(part))
    return parts
