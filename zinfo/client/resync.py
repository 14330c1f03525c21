"""Decides which snapshots a Mirror requests, and when. Pure.

At most one request is in flight. A random delay precedes each snapshot and grows while snapshots
are needed repeatedly, so that a thousand Mirrors that lost the same message do not send their
requests at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from zinfo.client.bus_session import Timing
from zinfo.client.snapshot_request import SnapshotRequest
from zinfo.wire.query_messages import Reply, Request

MAX_IDS = 1000  # shard ids in one request
MAX_ID_BYTES = 32768  # bytes of the ids in one request; a request may have 64 KiB
CLEAN_HEARTBEATS = 5  # heartbeats without a sign of loss that reset the growing delay
_SHARD_JITTER = 0.2  # fraction of `Timing.jitter` for a snapshot of some shards only


@dataclass(slots=True)
class Fetch:
    """A snapshot in progress.

    Attributes:
        everything: whether it covers all shards in scope.
        wanted: the shards that were suspect, or to be checked, when it was started.
        parts: ids still to be requested; an empty part requests all shards of the daemon.
        number: of the newest event received when it was started.
        ids: those of the request in flight.
        seen: ids received so far.
        invalidated: a loss was noticed after the request in flight was sent, so that its reply may
            be older than the lost message.
    """

    everything: bool
    wanted: set[str]
    parts: list[tuple[str, ...]]
    number: int
    ids: tuple[str, ...] = ()
    seen: set[str] = field(default_factory=set)
    invalidated: bool = False


class Resync:
    """Schedules the snapshots of a Mirror.

    Args:
        scope: ids of the mirrored shards; None for all. They may be replaced.
        next_id: returns request ids.
        timing: timeouts and delays.
        rng: source of random delays.
        labels: those that all requested shards have; None for any.

    Attributes:
        everything: whether all shards in scope are to be requested, because it is unknown which
            ones exist.
        checks: shards to be requested though there is no sign of a loss.
        fetch: the snapshot in progress.
        count: snapshots started.
        keys: names of the requested fields; empty for all.
    """

    def __init__(
        self,
        scope: frozenset[str] | None,
        next_id: Callable[[], int],
        timing: Timing,
        rng: random.Random,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.everything = True
        self.checks: set[str] = set()
        self.fetch: Fetch | None = None
        self.count = 0
        self.keys: tuple[str, ...] = ()
        self.scope = scope
        self._timing = timing
        self._rng = rng
        self._labels: dict[str, object] = {"labels": dict(labels)} if labels else {}
        self._request = SnapshotRequest(next_id, timing)
        self._due: float | None = None
        self._doublings = 0  # of the delay
        self._clean_heartbeats = 0

    @property
    def complete(self) -> bool:
        """Whether it is known which shards exist."""
        return not self.everything and not (self.fetch and self.fetch.everything)

    def rejoin(self, now: float, *, at_once: bool) -> None:
        """Request everything, as the bus was joined."""
        self.fetch = None
        self.checks.clear()
        self.everything = True
        self._due = now if at_once else now + self._rng.uniform(0, self._timing.jitter)

    def invalidate(self, *, everything: bool = False) -> None:
        """Note a loss: the reply to a request that is in flight cannot make up for it."""
        self.everything = self.everything or everything
        if self.fetch:
            self.fetch.invalidated = True

    def on_clean_heartbeat(self) -> None:
        """Note a heartbeat without a sign of loss; several of them shorten the delay again."""
        self._clean_heartbeats += 1
        if self._clean_heartbeats >= CLEAN_HEARTBEATS:
            self._doublings = 0

    def schedule(self, now: float) -> None:
        """Choose when to send the next snapshot request, unless that is decided."""
        if self._due is None and self.fetch is None:
            jitter = self._timing.jitter * (1 if self.everything else _SHARD_JITTER)
            jitter = min(jitter * 2 ** min(self._doublings, 16), self._timing.max_jitter)
            self._due = now + self._rng.uniform(0, jitter)

    def deadline(self) -> float | None:
        """Return when there is something to do; None while there is not."""
        return self._request.deadline() if self.fetch else self._due

    def overdue(self, now: float) -> bool:
        """Return whether a page has not come in time."""
        return self.fetch is not None and now > self._request.deadline()

    def expects(self, reply: Reply) -> bool:
        """Return whether this is the reply to the request in flight."""
        return self.fetch is not None and self._request.expects(reply)

    def retry(self, now: float) -> Request | None:
        """Return the request that was not answered, to be sent again; None after too many tries."""
        if self.fetch is None:
            return None
        self.fetch.invalidated = False
        return self._request.retry(now)

    def start(self, suspects: Iterable[str], held: int, number: int, now: float) -> Request | None:
        """Return the first request of the snapshot that is due, or None.

        Args:
            suspects: ids of the shards to be requested, beside the checks.
            held: how many shards the Mirror holds.
            number: of the newest event received.
            now: local clock.
        """
        if self.fetch or self._due is None or now < self._due:
            return None
        self._due = None
        ids = self.checks.union(suspects)
        self.checks = set()
        if not (self.everything or ids):
            return None
        many = len(ids) > max(MAX_IDS, held / 2)
        all_at_once = self.scope is None and (self.everything or many)
        if self.everything and self.scope is not None:
            ids = set(self.scope)
        parts: list[tuple[str, ...]] = [()] if all_at_once else split(ids)
        fetch = Fetch(self.everything, ids, parts, number)
        self.everything = False
        if not fetch.parts:
            return None
        self.fetch = fetch
        self.count += 1
        self._doublings += 1
        self._clean_heartbeats = 0
        return self._next_part(fetch, now)

    def next_page(self, fetch: Fetch, cursor: str | None, now: float) -> Request | None:
        """Return the request for the page after the one that came; None after the last.

        Args:
            fetch: the snapshot in progress.
            cursor: of the next page of the same part; None after the part's last page.
            now: local clock.
        """
        if cursor is not None:
            fetch.invalidated = False
            return self._request.next_page(cursor, now)
        if fetch.parts:
            return self._next_part(fetch, now)
        self.fetch = None
        return None

    def on_unknown_shard(self, fetch: Fetch, now: float) -> Request | None:
        """Return the next request after one was refused because it named an unknown shard.

        The part is halved until the unknown shard is alone, as only the text of the error names it.
        """
        middle = len(fetch.ids) // 2
        if middle:
            fetch.parts[:0] = [fetch.ids[:middle], fetch.ids[middle:]]
        return self.next_page(fetch, None, now)

    def abort(self) -> None:
        """Give up the snapshot in progress."""
        if self.fetch:
            self.everything = self.everything or self.fetch.everything
            self.fetch = None

    def _next_part(self, fetch: Fetch, now: float) -> Request:
        fetch.ids, fetch.invalidated = fetch.parts.pop(0), False
        args = dict(self._labels)
        if fetch.ids:
            args["ids"] = list(fetch.ids)
        if self.keys:
            args["keys"] = list(self.keys)
        return self._request.send(args, None, now)


def split(ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the ids in parts that fit into a request each."""
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
