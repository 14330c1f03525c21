"""Decides which frames are recorded of a daemon's bus, so that no segment has a gap. Pure.

    joining --fence--> fetching the snapshot --last page--> in a segment
       ^                                                         |
       +---------------------- sign of a loss -------------------+

`zinfo.client.subscriber_state` joins the bus and reports signs of loss as `Gap`, `Stale` and
`Restart`. The first of them ends the segment: it is recorded as a break, and the bus is joined
again. So a segment starts with a snapshot of all shards and contains every later message.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import asdict

from zinfo.client.bus_session import SendRequest, Timing, refused_topics_error
from zinfo.client.decoding import decode_heartbeat, decode_refused_topics, map_of, parse_message
from zinfo.client.snapshot_request import SnapshotRequest
from zinfo.client.subscriber_state import SubscriberState
from zinfo.client.updates import Delta, Gap, Restart, Stale
from zinfo.errors import NotAllowedError, ProtocolError
from zinfo.recording.frames import BREAK, MESSAGE, PAGE, SEGMENT, SHARDS, Frame
from zinfo.recording.initial_snapshot import InitialSnapshot, ReceivedMessage
from zinfo.recording.label_requests import LabelRequests
from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    KIND_DELTA,
    KIND_EVENT,
    KIND_HEARTBEAT,
    parse_topic,
    topic,
    unpack_batch,
)
from zinfo.wire.codec import Message, pack, unpack
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, Event
from zinfo.wire.query_messages import Reply, decode_reply

_DELTAS = topic(KIND_DELTA)

KINDS = (KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT)

BREAK_NAMES: dict[type, str] = {Gap: "gap", Stale: "stale", Restart: "restart"}
"""Names of breaks in the file."""

_COUNTED = {KIND_DELTA: ["deltas"], KIND_EVENT: ["events"]}
"""Counts of a kind of message, beside "messages"."""


class RecordingSession:
    """Decides what is recorded of a daemon's bus.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the recorded shards; empty for all.
        timing: timeouts and delays.
        rng: source of nonces and random delays.

    Attributes:
        session: joins the bus; its `actions` are to be carried out.
        frames: to be written, each with the wall clock; the owner empties the list.
        counts: recorded so far: spans (segments), messages, deltas, events, gaps, stales, restarts.
        refused: why the daemon refuses what a recording needs; "" where it does not.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        shards: Collection[str] = (),
        timing: Timing | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._subscriber = SubscriberState(
            endpoint, shards=shards, kinds=KINDS, takes_batches=True, timing=timing, rng=rng
        )
        self.session = self._subscriber.session
        self.frames: list[tuple[Frame, float]] = []
        self.counts = dict.fromkeys(
            ("spans", "messages", "deltas", "events", "gaps", "stales", "restarts"), 0
        )
        self.refused = ""
        topics = [topic(KIND_DELTA, shard).decode() for shard in sorted(shards)]
        self._snapshot_args: dict[str, object] = {"topics": topics} if topics else {}
        self._request = SnapshotRequest(self.session.next_id, self.session.timing)
        self._snapshot: InitialSnapshot | None = None
        self._in_segment = False
        self._needs_break = False  # whether no break has been recorded since the last segment
        self._ids: set[str] = set()
        self._started_at = self._started_wall = 0.0  # of the last segment: local and wall clock
        self._label_requests = LabelRequests(self.session.next_id, self.session.timing)

    @property
    def in_segment(self) -> bool:
        """Whether messages are being recorded."""
        return self._in_segment

    @property
    def shards(self) -> int:
        """Number of shards at present."""
        return len(self._ids)

    def deadline(self) -> float:
        """Return the time of the next `tick` that is needed if no message arrives."""
        deadlines = [self.session.deadline()]
        if self._snapshot is not None:
            deadlines.append(self._request.deadline())
        labels_due = self._label_requests.deadline()
        if labels_due is not None:
            deadlines.append(labels_due)
        return min(deadlines)

    # --- inputs

    def on_interruption(self, at: float, wall: float, seconds: float) -> None:
        """Record a break between a previous recording in the same file and the first segment.

        Args:
            at: seconds from the start of the previous segment to its end.
            wall: wall clock at its end.
            seconds: length of the interruption.
        """
        stale = Stale(max(0.0, seconds), "nothing was recorded here")
        self.frames.insert(0, _break_frame(stale, at, wall))

    def tick(self, now: float) -> None:
        """Check timeouts; all messages that have arrived must have been passed in before."""
        self._subscriber.tick(now)
        self._take_updates(None, now)
        labels_due = self._label_requests.deadline()
        if labels_due is not None and now >= labels_due:
            self._retry(self._label_requests, "labels of shards", now)
        if self._snapshot is not None and now >= self._request.deadline():
            self._retry(self._request, "a snapshot", now)

    def _retry(self, requests: SnapshotRequest | LabelRequests, what: str, now: float) -> None:
        request = requests.retry(now)
        if request is None:
            self._reset(now, f"no answer to a request for {what}")
        else:
            self.session.resend(request)

    def on_bus(self, frames: Message, now: float, wall: float) -> None:
        """Handle a bus message; the deltas of a batch are recorded as if they had come alone.

        Args:
            frames: the message.
            now: local clock.
            wall: wall clock, seconds since the Unix epoch.
        """
        deltas = None
        if frames[0] == BATCH_TOPIC:
            try:
                deltas = _deltas_of(frames)
            except ProtocolError as error:
                self._reset(now, f"a batch could not be decoded: {error}")
                return
        for message in (frames,) if deltas is None else deltas:
            self._on_message_of_bus(message, now, wall)

    def _on_message_of_bus(self, frames: Message, now: float, wall: float) -> None:
        joins = self.session.joins
        self._subscriber.on_bus(frames, now)
        if self.session.joins == joins:
            self._take_updates(frames, now)
            return
        self._take_updates(None, now)
        self._start_snapshot(frames, now, wall)

    def on_reply(self, frames: Message, now: float) -> None:
        """Handle a reply; `frames` are without the envelope."""
        try:
            reply = decode_reply(frames)
            if self._snapshot is not None and self._request.expects(reply):
                self._on_page(reply, frames[-1], self._snapshot, now)
                return
            if self._label_requests.expects(reply):
                self._on_labels(reply, frames[-1], now)
                return
        except ProtocolError as error:
            self._reset(now, f"a reply could not be decoded: {error}")
            return
        self._subscriber.on_reply(frames, now)

    # --- bus

    def _take_updates(self, frames: Message | None, now: float) -> None:
        updates = self._subscriber.updates
        while updates:
            update = updates.popleft()
            if isinstance(update, (Gap, Stale, Restart)):
                self._on_break(update, now)
                if isinstance(update, Gap) and frames is not None:
                    self.session.reset(now, "messages are missing")
            elif frames is not None:
                self._on_message(ReceivedMessage(update, frames, now))

    def _on_break(self, update: Gap | Stale | Restart, now: float) -> None:
        # A restart is recorded in addition to the stale that preceded it.
        if self._needs_break or (isinstance(update, Restart) and self.counts["spans"] > 0):
            self.frames.append(_break_frame(update, now - self._started_at, self._wall_at(now)))
            self.counts[f"{BREAK_NAMES[type(update)]}s"] += 1
        self._needs_break = False
        self._end_segment()

    def _on_message(self, message: ReceivedMessage) -> None:
        if self._snapshot is not None:
            self._snapshot.messages.append(message)
        elif self._in_segment:
            self._record_message(message)

    def _record_message(self, message: ReceivedMessage) -> None:
        update, frames, at = message
        self.counts["messages"] += 1
        self._record(MESSAGE, tuple(frames), at)
        if isinstance(update, Delta):
            self.counts["deltas"] += 1
        elif isinstance(update, Event):
            self.counts["events"] += 1
            self._follow(update, at)

    def _follow(self, event: Event, now: float) -> None:
        """Keep count of the shards, and request the labels that an event does not have."""
        if event.type == ADDED:
            self._ids.add(event.shard)
        elif event.type == REMOVED:
            self._ids.discard(event.shard)
        if event.type == ADDED or (event.type == LABELS_CHANGED and event.labels is None):
            self._label_requests.add(event.shard)
            self._send_label_request(now)

    def _record(self, kind: int, parts: tuple[bytes, ...], now: float) -> None:
        self.frames.append((Frame(kind, now - self._started_at, parts), self._wall_at(now)))

    def _wall_at(self, now: float) -> float:
        return self._started_wall + (now - self._started_at)

    # --- snapshot

    def _start_snapshot(self, fence: Message, now: float, wall: float) -> None:
        """Request all shards, as the fence has come."""
        self._end_segment()
        try:
            message = parse_message(fence)
            totals = decode_heartbeat(message)
            refused_topics = decode_refused_topics(message)
        except ProtocolError as error:
            self._reset(now, f"the fence could not be decoded: {error}")
            return
        if refused_topics:
            self.refused = str(refused_topics_error(refused_topics))
            self._reset(now, self.refused)
            return
        self._subscriber.restart_counting(totals)
        self._snapshot = InitialSnapshot(now, wall, message.header.time, totals)
        request = self._request.send(self._snapshot_args, None, now)
        self.session.actions.append(SendRequest(request))

    def _on_page(self, reply: Reply, body: bytes, snapshot: InitialSnapshot, now: float) -> None:
        if isinstance(reply.error, NotAllowedError):
            self.refused = str(reply.error)
        if reply.error is not None:
            self._reset(now, f"no snapshot: {reply.error}")
            return
        if reply.epoch != self.session.epoch:
            self._reset(now, "another daemon, or one that started again, answered")
            return
        snapshot.add_page(reply, body)
        if reply.cursor is None:
            self._start_segment(snapshot)
            return
        request = self._request.next_page(reply.cursor, now)
        self.session.actions.append(SendRequest(request))

    def _reset(self, now: float, reason: str) -> None:
        self._end_segment()
        self.session.reset(now, reason)

    def _end_segment(self) -> None:
        self._snapshot = None
        self._in_segment = False
        self._label_requests.clear()

    def _start_segment(self, snapshot: InitialSnapshot) -> None:
        newer = snapshot.newer_messages()
        included = len(snapshot.messages) - len(newer)
        self._snapshot = None
        self._in_segment = self._needs_break = True
        self._started_at, self._started_wall = snapshot.started_at, snapshot.wall
        self._ids = set(snapshot.entries)
        self.counts["spans"] += 1
        head = {
            "node": self.session.node,
            "epoch": self.session.epoch,
            "wall": snapshot.wall,
            "time": snapshot.daemon_time,
            "heartbeat": self.session.interval,
            "whole": not self._snapshot_args and not self.session.partial,
            "events": snapshot.totals.events,
            "revisions": snapshot.totals.revisions + included,
            "pages": len(snapshot.pages),
        }
        self._record(SEGMENT, (pack(head),), self._started_at)
        for page in snapshot.pages:
            self._record(PAGE, (page,), self._started_at)
        for message in newer:
            self._record_message(message)

    # --- labels

    def _send_label_request(self, now: float) -> None:
        request = self._label_requests.start(now)
        if request is not None:
            self.session.actions.append(SendRequest(request))

    def _on_labels(self, reply: Reply, body: bytes, now: float) -> None:
        has_labels = self._label_requests.on_reply(reply)
        if has_labels and self._in_segment and reply.epoch == self.session.epoch:
            self._record(SHARDS, (body,), now)
        self._send_label_request(now)


def counts_of(frame: Frame) -> list[str]:
    """Return the names in `RecordingSession.counts` under which a frame is counted."""
    if frame.kind == SEGMENT:
        return ["spans"]
    if frame.kind == BREAK:
        return [f"{map_of(unpack(frame.parts[0]), 'a break')['break']}s"]
    if frame.kind != MESSAGE:
        return []
    kind, _ = parse_topic(frame.parts[0])
    return ["messages", *_COUNTED.get(kind, ())]


def _deltas_of(batch: Message) -> Sequence[Message]:
    """Return the messages of a batch.

    Raises:
        ProtocolError: it is not a batch of deltas.
    """
    messages = unpack_batch(batch[-1])
    if not all(topic.startswith(_DELTAS) for topic, _, _ in messages):
        raise ProtocolError("it has something else than deltas")
    return messages


def _break_frame(update: Gap | Stale | Restart, at: float, wall: float) -> tuple[Frame, float]:
    body = pack({"break": BREAK_NAMES[type(update)], **asdict(update)})
    return Frame(BREAK, at, (body,)), wall
