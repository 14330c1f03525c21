"""What pages are sent, made once for all pages that show the same: one filter, or one shard."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from zinfo.adapters.http.responses import encode
from zinfo.top.filtering import Filter
from zinfo.top.source import Source
from zinfo.top.web import json_model
from zinfo.top.web.viewing import View, Viewing

_RECENT: Final = 30  # messages that a page may lack; one that lacks more begins again
_LASTS: Final = 0.4  # seconds for which a message about one shard will do

Channel = TypeVar("Channel")


class Channels(Generic[Channel]):
    """The channels that pages listen to now.

    Args:
        make: makes the channel of a filter's text, or of a shard's id.
    """

    def __init__(self, make: Callable[[str], Channel]) -> None:
        self._make = make
        self._open: dict[str, tuple[Channel, int]] = {}  # with the number of its pages

    def __len__(self) -> int:
        """Return how many channels there are."""
        return len(self._open)

    @contextmanager
    def listening(self, name: str) -> Iterator[Channel]:
        """Yield a channel; it lasts as long as a page listens."""
        channel, pages = self._open.get(name) or (self._make(name), 0)
        self._open[name] = channel, pages + 1
        try:
            yield channel
        finally:
            _, pages = self._open.pop(name)
            if pages > 1:
                self._open[name] = channel, pages - 1


class FleetChannel:
    """The table of the shards that pass a filter, the totals and the events.

    Args:
        viewing: where all shards are looked at.
        wanted: which of them are shown.
    """

    def __init__(self, viewing: Viewing, wanted: Filter) -> None:
        self._viewing = viewing
        self._wanted = wanted
        self._view: View | None = None
        self._changes = json_model.Changes()
        self._newest = 0  # number of the newest message
        self._recent: deque[bytes] = deque(maxlen=_RECENT)
        self._whole: bytes | None = None  # all that the messages so far came to

    def since(self, number: int) -> tuple[int, bytes] | None:
        """Return what a page lacks, and the number of the newest message.

        Args:
            number: of the newest message that the page has; 0 for none.

        Returns:
            None where it lacks so many that it has to begin again.
        """
        self._look()
        if not number:
            return self._newest, self._all()
        lacking = self._newest - number
        if lacking > len(self._recent):
            return None
        return self._newest, b"".join(list(self._recent)[len(self._recent) - lacking :])

    def _look(self) -> None:
        view = self._viewing.look()
        before = self._view
        if view is before:
            return
        changes = self._changes.of(view.passing(self._wanted))
        value = {**view.head, **changes}
        if before is None or view.events_version != before.events_version:
            value["events"] = view.events
        self._view, self._whole = view, None
        self._newest += 1
        self._recent.append(message(value))

    def _all(self) -> bytes:
        if self._whole is None:
            view = self._view
            assert view is not None, "it was looked at"
            changes = json_model.Changes().of(view.passing(self._wanted))
            self._whole = message({**view.head, **changes, "events": view.events})
        return self._whole


class ShardChannel:
    """One shard's page.

    Args:
        source: where the model is.
        shard: its id.
    """

    def __init__(self, source: Source, shard: str) -> None:
        self._source = source
        self._shard = shard
        self._made_at = float("-inf")
        self._made = b""

    def newest(self) -> bytes:
        """Return all that is known of the shard now, or was a moment ago."""
        if time.monotonic() - self._made_at >= _LASTS:
            self._made_at, self._made = time.monotonic(), self._make()
        return self._made

    def _make(self) -> bytes:
        now = self._source.now()
        with self._source.fleet() as fleet:
            page, feed = json_model.shard(fleet, self._shard, now), json_model.feed(fleet.feed(now))
            unplaced = fleet.unplaced(self._shard)
        if unplaced:
            self._source.want_sections(self._shard)
        return message({"feed": feed, "page": page})


def message(value: object) -> bytes:
    """Return a server-sent event."""
    return b"data: " + encode(value) + b"\n\n"
