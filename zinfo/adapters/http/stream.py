"""`/api/v1/stream`: new deltas, snapshots and lifecycle events as server-sent events.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html. A client that reconnects
sends the id of the last event that it received (`Last-Event-ID`; browsers do so by themselves), and
gets the lifecycle events that it missed. Missed deltas are not sent again: the client detects the
gap from `base` of the first delta, and gets the current state from `/api/v1/infos`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import falcon
import gevent.event

from zinfo.adapters.http.auth import acquire_quota, require_operation
from zinfo.adapters.http.routes import TEXTS, Argument, parse_arguments
from zinfo.adapters.http.stream_filter import (
    DELTA,
    EVENT,
    KINDS,
    SnapshotMessages,
    StreamFilter,
    StreamRegistry,
    sse_message,
)
from zinfo.adapters.wsgi.client_quotas import ClientQuotas, ReleasingBody
from zinfo.errors import BadRequestError, NotAllowedError
from zinfo.health.stats import HttpStats
from zinfo.loop.yielding import CooperativeYield
from zinfo.query.arguments import Arguments
from zinfo.security.rights import Rights
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.shards.source import SnapshotSource
from zinfo.wire.identity import Identity
from zinfo.wire.lifecycle import Event
from zinfo.wire.redact import redact_text

ARGUMENTS: Final = {
    "kinds": Argument(TEXTS, f"any of {', '.join(KINDS)}; default: delta and event"),
    "shard_ids": Argument(TEXTS, "only messages about these shards; default: all"),
    "keys": Argument(TEXTS, "only these fields; a delta without any of them is not sent"),
}

_EVENT_ID = re.compile("([0-9]{1,20}):([0-9]{1,20})")  # epoch and number
_MAX_QUEUED_BYTES = 4 << 20  # for one client that reads slowly
_BEAT_SECONDS = 1.0  # without a message, after which a `beat` is sent


class Streams:
    """The resource at `/api/v1/stream`, with all open streams.

    Args:
        poller: source of snapshots and events.
        identity: of the daemon.
        stats: counts the streams and the messages that they drop.
        quotas: bounds the number of streams.
    """

    def __init__(
        self, poller: SnapshotSource, identity: Identity, stats: HttpStats, quotas: ClientQuotas
    ) -> None:
        self._events = poller.events
        self._identity = identity
        self._stats = stats
        self._registry: StreamRegistry[_StreamQueue] = StreamRegistry()
        self._quotas = quotas
        poller.subscribe_snapshots(self._publish)
        poller.events.subscribe(self._publish_event)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with an endless stream."""
        rights = require_operation(request, "snapshot")
        given = parse_arguments(request.query_string, ARGUMENTS)
        stream = _StreamQueue(_stream_filter(given, rights), self._stats)
        last = request.get_header("Last-Event-ID") or ""
        find_rights: Callable[[], Rights | None] = request.context.find_rights
        response.content_type = "text/event-stream"
        response.cache_control = ("no-cache",)
        messages = self._run(
            stream, self._missed(last, stream.filter), lambda: find_rights() == rights
        )
        release = acquire_quota(self._quotas, request, "streams")
        response.stream = ReleasingBody(messages, release)

    def _run(
        self, stream: _StreamQueue, missed: list[Event], still_valid: Callable[[], bool]
    ) -> Iterator[bytes]:
        self._registry.add(stream.filter, stream)
        self._stats.streams += 1
        try:
            yield sse_message("hello", {"node": self._identity.node, "epoch": self._identity.epoch})
            yield b"".join(self._encode_missed(missed, stream.filter))
            while still_valid():  # ends when the client's rights change; the client may reconnect
                yield stream.next()
        finally:
            self._registry.remove(stream.filter, stream)
            self._stats.streams -= 1

    def _missed(self, last: str, filter_: StreamFilter) -> list[Event]:
        """Return the events after `last`, if that id is from the same run of the daemon."""
        found = _EVENT_ID.fullmatch(last)
        if EVENT not in filter_.kinds or not found or int(found[1]) != self._identity.epoch:
            return []
        return self._events.since(int(found[2]))

    def _encode_missed(self, missed: list[Event], filter_: StreamFilter) -> Iterator[bytes]:
        yielder = CooperativeYield(low_priority=True)
        for event in missed:
            yielder.maybe_yield()
            if filter_.matches(event.shard):
                yield self._encode_event(event, filter_.rights)

    def _publish(self, shard: RedisShard, previous: Snapshot | None, snapshot: Snapshot) -> None:
        if not self._registry:
            return
        messages: SnapshotMessages | None = None
        for group in self._registry.groups_for(shard.id):
            for kind in group.filter.snapshot_kinds:
                messages = messages or SnapshotMessages(shard.id, previous, snapshot)
                message = messages.encode(kind, group.filter)
                if message:
                    for stream in group.streams:
                        stream.put(message)

    def _publish_event(self, event: Event) -> None:
        encoded: dict[tuple[str, ...], bytes] = {}  # by hidden fields
        for group in self._registry.groups_for(event.shard):
            if EVENT in group.filter.kinds:
                hidden = group.filter.rights.hidden_fields
                if hidden not in encoded:
                    encoded[hidden] = self._encode_event(event, group.filter.rights)
                for stream in group.streams:
                    stream.put(encoded[hidden])

    def _encode_event(self, event: Event, rights: Rights) -> bytes:
        visible = rights.visible_event(event)
        return sse_message(EVENT, visible, f"{self._identity.epoch}:{event.number}")


class _StreamQueue:
    """The messages that are queued for one client."""

    def __init__(self, filter_: StreamFilter, stats: HttpStats) -> None:
        self.filter = filter_
        self._stats = stats
        self._messages: list[bytes] = []
        self._size = 0
        self._dropped = 0
        self._not_empty = gevent.event.Event()

    def put(self, message: bytes) -> None:
        """Queue a message; if the queue is full it is dropped, which a `gap` message reports."""
        if self._size < _MAX_QUEUED_BYTES and not self._dropped:
            self._messages.append(message)
            self._size += len(message)
        else:
            self._dropped += 1
            self._stats.dropped += 1
        self._not_empty.set()

    def next(self) -> bytes:
        """Return all queued messages, or a `beat` if there is none within a second."""
        if not self._messages and not self._dropped:
            self._not_empty.clear()
            if not self._not_empty.wait(_BEAT_SECONDS):
                return sse_message("beat", {"time": time.time()})
        messages = b"".join(self._messages)
        self._messages.clear()
        self._size = 0
        if self._dropped:
            messages += sse_message("gap", {"lost": self._dropped})
            self._dropped = 0
        return messages


def _stream_filter(given: Mapping[str, object], rights: Rights) -> StreamFilter:
    args = Arguments(given)
    kinds = frozenset(args.texts("kinds")) or frozenset((DELTA, EVENT))
    if not kinds <= set(KINDS):
        raise BadRequestError(f"kinds must be some of {', '.join(KINDS)}")
    shard_ids = frozenset(args.ids("shard_ids"))
    for shard_id in shard_ids:
        if not rights.can_see(shard_id):
            raise NotAllowedError(
                f"this client is not allowed to see shard {redact_text(shard_id)[:80]}"
            )
    if EVENT in kinds and not rights.can_call("events"):
        if "kinds" in given:
            raise NotAllowedError("this client is not allowed to call events")
        kinds -= {EVENT}
    return StreamFilter(kinds, shard_ids, frozenset(args.texts("keys")), rights)
