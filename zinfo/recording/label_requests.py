"""Requests what lifecycle events do not contain: polling intervals, and very large labels. Pure.

At most one request is in flight, and it is retried as a snapshot request is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from zinfo.client.bus_session import Timing
from zinfo.client.snapshot_request import SnapshotRequest
from zinfo.wire.bus_messages import KIND_DELTA, topic
from zinfo.wire.query_messages import Reply, Request

_MAX_SHARDS = 100  # in one request


class LabelRequests:
    """The shards whose labels are to be requested.

    Args:
        next_id: returns request ids.
        timing: timeouts.
    """

    def __init__(self, next_id: Callable[[], int], timing: Timing) -> None:
        self._wanted: dict[str, None] = {}
        self._request = SnapshotRequest(next_id, timing)
        self._in_flight = False

    def clear(self) -> None:
        """Drop all shards, as a snapshot of everything will follow."""
        self._wanted.clear()
        self._in_flight = False

    def add(self, shard: str) -> None:
        """Add a shard to be requested."""
        self._wanted[shard] = None

    def start(self, now: float) -> Request | None:
        """Return the next request; None where one is in flight, or no shard is left."""
        if self._in_flight or not self._wanted:
            return None
        shards = list(itertools.islice(self._wanted, _MAX_SHARDS))
        for shard in shards:
            del self._wanted[shard]
        self._in_flight = True
        topics = [topic(KIND_DELTA, shard).decode() for shard in shards]
        return self._request.send({"topics": topics}, None, now)

    def deadline(self) -> float | None:
        """Return when the request in flight times out; None where there is none."""
        return self._request.deadline() if self._in_flight else None

    def retry(self, now: float) -> Request | None:
        """Return the request in flight, to be sent again; None after too many tries."""
        return self._request.retry(now)

    def expects(self, reply: Reply) -> bool:
        """Return whether this is the reply to the request in flight."""
        return self._in_flight and self._request.expects(reply)

    def on_reply(self, reply: Reply) -> bool:
        """Handle the reply to the request in flight.

        Returns:
            Whether it has the shards. After a retryable error the request stays in flight, so that
            it is sent again when it times out.
        """
        if reply.error is not None and reply.error.retryable:
            return False
        self._in_flight = False
        return reply.error is None
