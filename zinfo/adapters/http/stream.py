"""`/api/v1/stream`: deltas, snapshots and lifecycle events as they come, as server-sent events.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html. A client that comes
back shows the id of the last event that it has (`Last-Event-ID`, which browsers do by themselves),
and gets the lifecycle events that it missed. Deltas that were missed are not told again: the first
one's `base` tells that there were some, and `/api/v1/infos` has what they came to.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import falcon
import gevent.event

from zinfo.adapters.http.auth import require, take_share
from zinfo.adapters.http.routes import TEXTS, Argument, arguments_of
from zinfo.adapters.http.stream_selection import (
    DELTA,
    EVENT,
    KINDS,
    SnapshotMessages,
    Wish,
    Wishes,
    message,
)
from zinfo.adapters.wsgi.client_shares import Held, Shares
from zinfo.errors import BadRequestError, NotAllowedError
from zinfo.health.stats import HttpStats
from zinfo.loop.yielding import CooperativeYield
from zinfo.security.rights import Rights
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.shards.source import SnapshotSource
from zinfo.wire.identity import Identity
from zinfo.wire.lifecycle import Event
from zinfo.wire.redact import redact_text

ARGUMENTS: Final = {
    "kinds": Argument(TEXTS, f"any of {', '.join(KINDS)}; delta and event where none is given"),
    "shard_ids": Argument(TEXTS, "only of these shards; none for all"),
    "keys": Argument(TEXTS, "only these fields, and no delta without one of them"),
}

_EVENT_ID = re.compile("([0-9]{1,20}):([0-9]{1,20})")  # epoch and number
_MOST_STREAMS = 100  # more than half of the door's connections are for other things
_MOST_WAITING = 4 << 20  # bytes held for a client that reads slowly
_BEAT_SECONDS = 1.0


class Streams:
    """All streams that are open.

    Args:
        poller: gives snapshots and events.
        identity: of the daemon.
        stats: counts streams and what they lose.
    """

    def __init__(self, poller: SnapshotSource, identity: Identity, stats: HttpStats) -> None:
        self._events = poller.events
        self._identity = identity
        self._stats = stats
        self._wishes: Wishes[_Stream] = Wishes()
        self._shares = Shares(_MOST_STREAMS)
        poller.subscribe_snapshots(self._publish)
        poller.events.subscribe(self._publish_event)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer with a stream that never ends."""
        rights = require(request, "snapshot")
        given = arguments_of(request.query_string, ARGUMENTS)
        stream = _Stream(_wish(given, rights), self._stats)
        last = request.get_header("Last-Event-ID") or ""
        find_rights: Callable[[], Rights | None] = request.context.find_rights
        response.content_type = "text/event-stream"
        response.cache_control = ("no-cache",)
        messages = self._run(
            stream, self._missed(last, stream.wish), lambda: find_rights() == rights
        )
        give_back = take_share(self._shares, request, "streams")
        response.stream = Held(messages, give_back)

    def _run(
        self, stream: _Stream, missed: list[Event], may_go_on: Callable[[], bool]
    ) -> Iterator[bytes]:
        self._wishes.add(stream.wish, stream)
        self._stats.streams += 1
        try:
            yield message("hello", {"node": self._identity.node, "epoch": self._identity.epoch})
            yield b"".join(self._tell_missed(missed, stream.wish))
            while may_go_on():  # until the client's rights are others: it may come back with those
                yield stream.next()
        finally:
            self._wishes.remove(stream.wish, stream)
            self._stats.streams -= 1

    def _missed(self, last: str, wish: Wish) -> list[Event]:
        """Return the events since the last one that a client has, if that was of this start."""
        found = _EVENT_ID.fullmatch(last)
        if EVENT not in wish.kinds or not found or int(found[1]) != self._identity.epoch:
            return []
        return self._events.since(int(found[2]))

    def _tell_missed(self, missed: list[Event], wish: Wish) -> Iterator[bytes]:
        yielder = CooperativeYield(low_priority=True)
        for event in missed:
            yielder.maybe_yield()
            if wish.can_see(event.shard):
                yield self._told(event, wish.rights)

    def _publish(self, shard: RedisShard, previous: Snapshot | None, snapshot: Snapshot) -> None:
        if not self._wishes:
            return
        messages: SnapshotMessages | None = None
        for group in self._wishes.about(shard.id):
            for kind in group.wish.of_snapshots:
                messages = messages or SnapshotMessages(shard.id, previous, snapshot)
                made = messages.of(kind, group.wish)
                if made:
                    for stream in group.streams:
                        stream.put(made)

    def _publish_event(self, event: Event) -> None:
        made: dict[tuple[str, ...], bytes] = {}  # by the fields that are withheld
        for group in self._wishes.about(event.shard):
            if EVENT in group.wish.kinds:
                withheld = group.wish.rights.hidden_fields
                if withheld not in made:
                    made[withheld] = self._told(event, group.wish.rights)
                for stream in group.streams:
                    stream.put(made[withheld])

    def _told(self, event: Event, rights: Rights) -> bytes:
        told = rights.visible_event(event)
        return message(EVENT, told, f"{self._identity.epoch}:{event.number}")


class _Stream:
    """One client's messages that wait for it."""

    def __init__(self, wish: Wish, stats: HttpStats) -> None:
        self.wish = wish
        self._stats = stats
        self._waiting: list[bytes] = []
        self._size = 0
        self._lost = 0
        self._some = gevent.event.Event()

    def put(self, message: bytes) -> None:
        """Hold a message; where too many wait, it is lost, and the client will be told."""
        if self._size < _MOST_WAITING and not self._lost:
            self._waiting.append(message)
            self._size += len(message)
        else:
            self._lost += 1
            self._stats.dropped += 1
        self._some.set()

    def next(self) -> bytes:
        """Return what waits, or a beat where nothing comes for a second."""
        if not self._waiting and not self._lost:
            self._some.clear()
            if not self._some.wait(_BEAT_SECONDS):
                return message("beat", {"time": time.time()})
        messages = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        if self._lost:
            messages += message("gap", {"lost": self._lost})
            self._lost = 0
        return messages


def _wish(given: Mapping[str, object], rights: Rights) -> Wish:
    kinds = _set(given, "kinds") or frozenset((DELTA, EVENT))
    if not kinds <= set(KINDS):
        raise BadRequestError(f"kinds are {', '.join(KINDS)}")
    shard_ids = _set(given, "shard_ids")
    for shard_id in shard_ids:
        if not rights.can_see(shard_id):
            raise NotAllowedError(f"this client may not see shard {redact_text(shard_id)[:80]}")
    if EVENT in kinds and not rights.can_call("events"):
        if "kinds" in given:
            raise NotAllowedError("this client may not call events, so it gets none in a stream")
        kinds -= {EVENT}
    return Wish(kinds, shard_ids, _set(given, "keys"), rights)


def _set(given: Mapping[str, object], name: str) -> frozenset[str]:
    values = given.get(name, ())
    assert isinstance(values, (list, tuple))
    return frozenset(values)
