"""One request for a page of a `snapshot` reply, retried until it is answered. Pure.

Shared by the Mirror, which copies the shards, and the recorder, which writes the pages to a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zinfo.client.bus_session import Timing
from zinfo.wire.query_messages import Reply, Request


class SnapshotRequest:
    """At most one `snapshot` request in flight. Each retry waits twice as long as the one before.

    Args:
        next_id: returns request ids.
        timing: has `page_timeout` and `page_tries`.

    Attributes:
        id: of the request in flight.
        args: its arguments, without the cursor.
        tries: how often it was sent.
    """

    def __init__(self, next_id: Callable[[], int], timing: Timing) -> None:
        self.id = 0
        self.args: Mapping[str, object] = {}
        self.tries = 0
        self._cursor: str | None = None
        self._next_id = next_id
        self._timing = timing
        self._sent_at = 0.0

    def send(self, args: Mapping[str, object], cursor: str | None, now: float) -> Request:
        """Return the request for a page.

        Args:
            args: which shards; empty for all.
            cursor: the page's, from the reply before it; None for the first page.
            now: local clock.
        """
        self.args, self._cursor, self.tries = args, cursor, 0
        return self._send(now)

    def next_page(self, cursor: str, now: float) -> Request:
        """Return the request for the page at `cursor`, with the same arguments."""
        return self.send(self.args, cursor, now)

    def retry(self, now: float) -> Request | None:
        """Return the request to be sent again, with another id; None after too many tries."""
        return None if self.tries >= self._timing.page_tries else self._send(now)

    def expects(self, reply: Reply) -> bool:
        """Return whether this is the reply to the request in flight."""
        return reply.id == self.id

    def deadline(self) -> float:
        """Return when the request in flight times out."""
        return self._sent_at + self._timeout

    @property
    def _timeout(self) -> float:
        return self._timing.page_timeout * 2.0 ** (self.tries - 1)

    def _send(self, now: float) -> Request:
        self.tries += 1
        self.id, self._sent_at = self._next_id(), now
        args = dict(self.args)
        if self._cursor is not None:
            args["cursor"] = self._cursor
        return Request("snapshot", args, self.id, self._timeout)
