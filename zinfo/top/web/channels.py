"""Messages to pages, made once for all pages with the same filter or the same shard."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from zinfo.adapters.http.responses import encode
from zinfo.top.source import Source
from zinfo.top.web import json_model
from zinfo.top.web.fleet_view import FleetView, FleetViewer
from zinfo.views.filtering import Filter

_RECENT: Final = 30  # messages a page may be behind before it has to reconnect
_MAX_AGE: Final = 0.4  # seconds for which a message about one shard is reused

Channel = TypeVar("Channel")


class Channels(Generic[Channel]):
    """The channels that have listeners.

    Args:
        make: makes the channel for a filter's text or a shard's id.
    """

    def __init__(self, make: Callable[[str], Channel]) -> None:
        self._make = make
        self._open: dict[str, tuple[Channel, int]] = {}  # with the number of its pages

    def __len__(self) -> int:
        """Return the number of channels."""
        return len(self._open)

    @contextmanager
    def listening(self, name: str) -> Iterator[Channel]:
        """Yield a channel, which exists while at least one page listens to it."""
        channel, pages = self._open.get(name) or (self._make(name), 0)
        self._open[name] = channel, pages + 1
        try:
            yield channel
        finally:
            _, pages = self._open.pop(name)
            if pages > 1:
                self._open[name] = channel, pages - 1


class FleetChannel:
    """The table of the shards that match a filter, the totals and the events.

    Args:
        viewer: computes the view of all shards.
        wanted: selects the shards.
    """

    def __init__(self, viewer: FleetViewer, wanted: Filter) -> None:
        self._viewer = viewer
        self._wanted = wanted
        self._view: FleetView | None = None
        self._changes = json_model.Changes()
        self._newest = 0  # number of the newest message
        self._recent: deque[bytes] = deque(maxlen=_RECENT)
        self._whole: bytes | None = None  # one message with everything, for a new page

    def since(self, number: int) -> tuple[int, bytes] | None:
        """Return the messages that a page lacks, and the number of the newest one.

        Args:
            number: of the newest message that the page has; 0 for none.

        Returns:
            None where it lacks too many, and has to reconnect.
        """
        self._update()
        if not number:
            return self._newest, self._all()
        lacking = self._newest - number
        if lacking > len(self._recent):
            return None
        return self._newest, b"".join(list(self._recent)[len(self._recent) - lacking :])

    def _update(self) -> None:
        view = self._viewer.current()
        before = self._view
        if view is before:
            return
        changes = self._changes.of(view.matching(self._wanted), view.number)
        value = {**view.head, **changes}
        if before is None or view.events_version != before.events_version:
            value["events"] = view.events
        self._view, self._whole = view, None
        self._newest += 1
        self._recent.append(message(value))

    def _all(self) -> bytes:
        if self._whole is None:
            view = self._view
            assert view is not None, "set by _update()"
            changes = json_model.Changes().of(view.matching(self._wanted))
            self._whole = message({**view.head, **changes, "events": view.events})
        return self._whole


class ShardChannel:
    """One shard's page.

    Args:
        source: owns the model.
        shard: its id.
    """

    def __init__(self, source: Source, shard: str) -> None:
        self._source = source
        self._shard = shard
        self._made_at = float("-inf")
        self._made = b""

    def newest(self) -> bytes:
        """Return the whole page, at most 0.4 seconds old."""
        if time.monotonic() - self._made_at >= _MAX_AGE:
            self._made_at, self._made = time.monotonic(), self._make()
        return self._made

    def _make(self) -> bytes:
        now = self._source.now()
        with self._source.locked() as model:
            page, feed = json_model.shard(model, self._shard, now), json_model.feed(model.feed(now))
        if page is not None:
            self._source.follow_shard(self._shard)
        return message({"feed": feed, "page": page})


def message(value: object) -> bytes:
    """Return a server-sent event."""
    return b"data: " + encode(value) + b"\n\n"
