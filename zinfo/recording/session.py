"""What is recorded of messages, replies and time. Pure: it holds no socket and reads no clock.

    joining --fence--> asking for all shards --last page--> in a span
       ^                                                       |
       +-------------------- sign of a loss --------------------+

Joining and signs of a loss are those of a Subscriber (`zinfo.client.subscriber_state`): with the
first such sign the span ends, the reason is recorded, and the bus is joined anew. So within a span
nothing is missing, and each begins with all that a replay needs.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import asdict, dataclass, field

from zinfo.client.bus_session import Ask, Timing, refusal
from zinfo.client.decoding import (
    Entry,
    entry_from,
    map_of,
    open_message,
    read_heartbeat,
    read_refused,
)
from zinfo.client.subscriber_state import StreamState
from zinfo.client.updates import Delta, Gap, Heartbeat, Restart, Stale, Update
from zinfo.errors import NotAllowedError, ProtocolError
from zinfo.recording.frames import BREAK, MESSAGE, PAGE, SHARDS, SPAN, Frame
from zinfo.recording.label_updates import Describing
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT, parse_topic, topic
from zinfo.wire.codec import Message, pack, unpack
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, Event
from zinfo.wire.query_messages import Reply, Request, decode_reply

KINDS = (KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT)

BREAK_NAMES: dict[type, str] = {Gap: "gap", Stale: "stale", Restart: "restart"}
"""What a break is called in the file."""

_COUNTED = {KIND_DELTA: ["deltas"], KIND_EVENT: ["events"]}
"""Counts of a kind of message, beside that of all messages."""


@dataclass(slots=True)
class _Fetch:
    """The snapshot that is being asked for, and what comes meanwhile.

    Attributes:
        request: under way.
        began: local clock at the fence.
        asked_at: when the request was sent.
        tries: how often.
        wall: the recorder's wall clock at the fence.
        daemon_time: the daemon's at the fence.
        totals: those that came with the fence.
        pages: bodies of the replies so far.
        entries: the shards in them.
        messages: that came since the fence.
    """

    request: Request
    began: float
    asked_at: float
    wall: float
    daemon_time: float
    totals: Heartbeat
    tries: int = 1
    pages: list[bytes] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    messages: list[tuple[Update, Message, float]] = field(default_factory=list)


class Taking:
    """Decides what is recorded of a daemon's bus.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the shards of interest; empty for all.
        timing: the waits.
        rng: source of nonces and random waits.

    Attributes:
        link: the way to the daemon; its `actions` are to be carried out.
        frames: what is to be written, each with the wall clock; the owner takes them out.
        counts: what was recorded so far: spans, messages, deltas, events, gaps, stales,
            restarts.
        refused: why the daemon does not tell what is needed; "" where it does.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        shards: Collection[str] = (),
        timing: Timing | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._stream = StreamState(endpoint, shards=shards, kinds=KINDS, timing=timing, rng=rng)
        self.link = self._stream.link
        self.frames: list[tuple[Frame, float]] = []
        self.counts = dict.fromkeys(
            ("spans", "messages", "deltas", "events", "gaps", "stales", "restarts"), 0
        )
        self.refused = ""
        self._topics = [topic(KIND_DELTA, shard).decode() for shard in sorted(shards)]
        self._fetch: _Fetch | None = None
        self._in_span = False
        self._unbroken = False  # whether the last span has no reason for its end yet
        self._ids: set[str] = set()
        self._began = self._began_wall = 0.0  # of the last span: local clock and wall clock
        self._describing = Describing(self.link.next_id, self.link.timing)

    @property
    def in_span(self) -> bool:
        """Whether what comes is recorded."""
        return self._in_span

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self._ids)

    def deadline(self) -> float:
        """Return the time at which `tick` has something to do, if nothing else happens."""
        deadlines = [self.link.deadline()]
        if self._fetch is not None:
            deadlines.append(self._fetch.asked_at + self._patience(self._fetch))
        described = self._describing.deadline()
        if described is not None:
            deadlines.append(described)
        return min(deadlines)

    # --- what happens

    def interrupted(self, at: float, wall: float, seconds: float) -> None:
        """Nothing was recorded for a while before the first span.

        Args:
            at: seconds from the beginning of the span before to its end.
            wall: the wall clock at its end.
            seconds: for how long.
        """
        stale = Stale(max(0.0, seconds), "nothing was recorded here")
        self.frames.insert(0, _break_frame(stale, at, wall))

    def tick(self, now: float) -> None:
        """Time passed, and nothing that came meanwhile is left to be passed in."""
        self._stream.tick(now)
        self._take_updates(None, now)
        described = self._describing.deadline()
        if described is not None and now >= described:
            again = self._describing.again(now)
            if again is None:
                self._give_up(now, "no answer to a request for labels of shards")
            else:
                self.link.ask_afresh(again)
        fetch = self._fetch
        if fetch is None or now < fetch.asked_at + self._patience(fetch):
            return
        if fetch.tries >= self.link.timing.pages:
            self._give_up(now, "no answer to a request for a snapshot")
        else:
            fetch.tries += 1
            fetch.asked_at = now
            fetch.request.id, fetch.request.deadline = self.link.next_id(), self._patience(fetch)
            self.link.ask_afresh(fetch.request)

    def on_bus(self, frames: Message, now: float, wall: float) -> None:
        """A bus message came.

        Args:
            frames: the message.
            now: local clock.
            wall: wall clock, seconds since the Unix epoch.
        """
        joins = self.link.joins
        self._stream.on_bus(frames, now)
        if self.link.joins == joins:
            self._take_updates(frames, now)
            return
        self._take_updates(None, now)
        self._begin(frames, now, wall)

    def on_reply(self, frames: Message, now: float) -> None:
        """A reply came; `frames` without the envelope."""
        fetch = self._fetch
        try:
            reply = decode_reply(frames)
            if fetch is not None and reply.id == fetch.request.id:
                self._on_page(reply, frames[-1], fetch, now)
                return
            if self._describing.expects(reply):
                self._on_shards(reply, frames[-1], now)
                return
        except ProtocolError as error:
            self._give_up(now, f"a reply could not be read: {error}")
            return
        self._stream.on_reply(frames, now)

    # --- the bus

    def _take_updates(self, frames: Message | None, now: float) -> None:
        updates = self._stream.updates
        while updates:
            update = updates.popleft()
            if isinstance(update, (Gap, Stale, Restart)):
                self._on_break(update, now)
                if isinstance(update, Gap) and frames is not None:
                    self.link.lose(now, "messages are missing")
            elif frames is not None:
                self._on_message(update, frames, now)

    def _on_break(self, update: Gap | Stale | Restart, now: float) -> None:
        after_one = isinstance(update, Restart) and self.counts["spans"] > 0
        if self._unbroken or after_one:
            self.frames.append(_break_frame(update, now - self._began, self._wall_at(now)))
            self.counts[f"{BREAK_NAMES[type(update)]}s"] += 1
        self._unbroken = self._in_span = False
        self._fetch = None
        self._describing.forget()

    def _on_message(self, update: Update, frames: Message, now: float) -> None:
        if self._fetch is not None:
            self._fetch.messages.append((update, frames, now))
        elif self._in_span:
            self._put_message(update, frames, now)

    def _put_message(self, update: Update, frames: Message, now: float) -> None:
        self.counts["messages"] += 1
        self.frames.append((Frame(MESSAGE, now - self._began, tuple(frames)), self._wall_at(now)))
        if isinstance(update, Delta):
            self.counts["deltas"] += 1
        elif isinstance(update, Event):
            self.counts["events"] += 1
            if update.type == ADDED:
                self._ids.add(update.shard)
            if update.type == ADDED or (update.type == LABELS_CHANGED and update.labels is None):
                self._describing.want(update.shard)
                self._ask_of_shards(now)
            elif update.type == REMOVED:
                self._ids.discard(update.shard)

    def _wall_at(self, now: float) -> float:
        return self._began_wall + now - self._began

    # --- the snapshot

    def _begin(self, fence: Message, now: float, wall: float) -> None:
        """The fence came: everything is to be asked for."""
        self._in_span = False
        self._describing.forget()
        try:
            opened = open_message(fence)
            totals = read_heartbeat(opened)
            topics = read_refused(opened)
        except ProtocolError as error:
            self._give_up(now, f"the fence could not be read: {error}")
            return
        if topics:
            self.refused = str(refusal(topics))
            self._give_up(now, self.refused)
            return
        self._stream.count_anew(totals)
        request = self._snapshot_request(None)
        self._fetch = _Fetch(request, now, now, wall, opened.header.time, totals)
        self.link.actions.append(Ask(request))

    def _snapshot_request(self, cursor: str | None) -> Request:
        args: dict[str, object] = {"topics": self._topics} if self._topics else {}
        if cursor is not None:
            args["cursor"] = cursor
        return Request("snapshot", args, self.link.next_id(), self.link.timing.page)

    def _patience(self, fetch: _Fetch) -> float:
        return self.link.timing.page * 2.0 ** (fetch.tries - 1)

    def _on_page(self, reply: Reply, body: bytes, fetch: _Fetch, now: float) -> None:
        if isinstance(reply.error, NotAllowedError):
            self.refused = str(reply.error)
        if reply.error is not None:
            self._give_up(now, f"no snapshot: {reply.error}")
            return
        if reply.epoch != self.link.epoch:
            self._give_up(now, "another daemon, or one that started again, answered")
            return
        fetch.pages.append(body)
        for entry in _entries(reply):
            fetch.entries[entry.shard] = entry
        if reply.cursor is None:
            self._begin_span(fetch)
            return
        fetch.request, fetch.asked_at, fetch.tries = self._snapshot_request(reply.cursor), now, 1
        self.link.actions.append(Ask(fetch.request))

    def _give_up(self, now: float, why: str) -> None:
        self._fetch = None
        self._in_span = False
        self._describing.forget()
        self.link.lose(now, why)

    def _begin_span(self, fetch: _Fetch) -> None:
        newer, older = _newer_than_snapshot(fetch)
        self._fetch = None
        self._in_span = True
        self._unbroken = True
        self._began, self._began_wall = fetch.began, fetch.wall
        self._ids = set(fetch.entries)
        self.counts["spans"] += 1
        head = {
            "node": self.link.node,
            "epoch": self.link.epoch,
            "wall": fetch.wall,
            "time": fetch.daemon_time,
            "heartbeat": self.link.interval,
            "whole": not self._topics and not self.link.partial,
            "events": fetch.totals.events,
            "revisions": fetch.totals.revisions + older,
            "pages": len(fetch.pages),
        }
        self.frames.append((Frame(SPAN, 0.0, (pack(head),)), fetch.wall))
        self.frames += [(Frame(PAGE, 0.0, (page,)), fetch.wall) for page in fetch.pages]
        for update, frames, came in newer:
            self._put_message(update, frames, came)

    # --- what events do not tell

    def _ask_of_shards(self, now: float) -> None:
        request = self._describing.start(now)
        if request is not None:
            self.link.actions.append(Ask(request))

    def _on_shards(self, reply: Reply, body: bytes, now: float) -> None:
        told = self._describing.answered(reply)
        if told and self._in_span and reply.epoch == self.link.epoch:
            self.frames.append((Frame(SHARDS, now - self._began, (body,)), self._wall_at(now)))
        self._ask_of_shards(now)


def counted_as(frame: Frame) -> list[str]:
    """Return the names of the counts of a `Taking` that a frame is part of."""
    if frame.kind == SPAN:
        return ["spans"]
    if frame.kind == BREAK:
        return [f"{map_of(unpack(frame.parts[0]), 'a break')['break']}s"]
    if frame.kind != MESSAGE:
        return []
    kind, _ = parse_topic(frame.parts[0])
    return ["messages", *_COUNTED.get(kind, ())]


def _break_frame(update: Gap | Stale | Restart, at: float, wall: float) -> tuple[Frame, float]:
    body = pack({"break": BREAK_NAMES[type(update)], **asdict(update)})
    return Frame(BREAK, at, (body,)), wall


def _entries(reply: Reply) -> list[Entry]:
    if not isinstance(reply.body, list):
        raise ProtocolError("a snapshot is an array")
    return [entry_from(value) for value in reply.body]


def _newer_than_snapshot(fetch: _Fetch) -> tuple[list[tuple[Update, Message, float]], int]:
    """Return the messages since the fence without the deltas that the snapshot holds already.

    Events stay, so that their numbers have no gap.

    Returns:
        The messages, and how many deltas were left out.
    """
    added: set[str] = set()
    newer = []
    for update, frames, came in fetch.messages:
        if isinstance(update, Event) and update.type == ADDED:
            added.add(update.shard)
        if isinstance(update, Delta):
            entry = fetch.entries.get(update.shard)
            if update.revision <= entry.revision if entry else update.shard not in added:
                continue
        newer.append((update, frames, came))
    return newer, len(fetch.messages) - len(newer)
