"""The requests for what events do not tell of shards: intervals, and very large labels. Pure.

One request is under way at a time. It has a deadline, and is repeated as a request for a snapshot
is: each try waits twice as long as the one before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from zinfo.client.bus_session import Timing
from zinfo.wire.bus_messages import KIND_DELTA, topic
from zinfo.wire.query_messages import Reply, Request

_AT_ONCE = 100  # shards that one request asks for


class Describing:
    """Decides what to ask for, and when to ask again.

    Args:
        next_id: gives ids for requests.
        timing: the waits.
    """

    def __init__(self, next_id: Callable[[], int], timing: Timing) -> None:
        self._next_id = next_id
        self._timing = timing
        self._wanted: dict[str, None] = {}
        self._request: Request | None = None
        self._asked_at = 0.0
        self._tries = 0

    def forget(self) -> None:
        """Nothing is wanted any more: a snapshot of all shards will follow."""
        self._wanted.clear()
        self._request = None

    def want(self, shard: str) -> None:
        """A shard is to be asked for."""
        self._wanted[shard] = None

    def start(self, now: float) -> Request | None:
        """Return the next request; None where one is under way, or nothing is wanted."""
        if self._request is not None or not self._wanted:
            return None
        shards = list(itertools.islice(self._wanted, _AT_ONCE))
        for shard in shards:
            del self._wanted[shard]
        topics = [topic(KIND_DELTA, shard).decode() for shard in shards]
        self._request = Request("snapshot", {"topics": topics})
        self._tries = 0
        return self._ask(self._request, now)

    def deadline(self) -> float | None:
        """Return when the request under way is overdue; None where there is none."""
        return None if self._request is None else self._asked_at + self._patience

    def again(self, now: float) -> Request | None:
        """Return the request under way, to be sent once more; None after too many tries."""
        if self._request is None or self._tries >= self._timing.pages:
            return None
        return self._ask(self._request, now)

    def expects(self, reply: Reply) -> bool:
        """Return whether a reply is that to the request under way."""
        return self._request is not None and reply.id == self._request.id

    def answered(self, reply: Reply) -> bool:
        """Take the reply to the request under way.

        Returns:
            Whether it tells of the shards. A refusal that may pass leaves the request under way, so
            that it is sent again at its deadline.
        """
        if reply.error is not None and reply.error.retryable:
            return False
        self._request = None
        return reply.error is None

    @property
    def _patience(self) -> float:
        """Seconds from sending the request under way to its deadline."""
        return self._timing.page * 2.0 ** (self._tries - 1)

    def _ask(self, request: Request, now: float) -> Request:
        self._tries += 1
        self._asked_at = now
        request.id, request.deadline = self._next_id(), self._patience
        return request
