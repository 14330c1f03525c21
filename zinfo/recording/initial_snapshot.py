"""The snapshot at the start of a segment, and the messages that arrive meanwhile. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from zinfo.client.decoding import SnapshotEntry, entry_from_map
from zinfo.client.updates import Delta, Heartbeat, Update
from zinfo.errors import ProtocolError
from zinfo.wire.codec import Message
from zinfo.wire.lifecycle import ADDED, Event
from zinfo.wire.query_messages import Reply


class ReceivedMessage(NamedTuple):
    """A bus message, decoded and as it came, and the local clock when it did."""

    update: Update
    frames: Message
    at: float


@dataclass(slots=True)
class InitialSnapshot:
    """A snapshot of all recorded shards in progress.

    Attributes:
        started_at: local clock at the fence.
        wall: the recorder's wall clock at the fence.
        daemon_time: the daemon's wall clock at the fence.
        totals: those of the fence.
        pages: bodies of the replies so far, as they came.
        entries: the shards in them.
        messages: received since the fence.
    """

    started_at: float
    wall: float
    daemon_time: float
    totals: Heartbeat
    pages: list[bytes] = field(default_factory=list)
    entries: dict[str, SnapshotEntry] = field(default_factory=dict)
    messages: list[ReceivedMessage] = field(default_factory=list)

    def add_page(self, reply: Reply, body: bytes) -> None:
        """Add a page.

        Args:
            reply: the decoded reply.
            body: its last frame.

        Raises:
            ProtocolError: the body is malformed.
        """
        if not isinstance(reply.body, list):
            raise ProtocolError("a snapshot is an array")
        self.pages.append(body)
        for value in reply.body:
            entry = entry_from_map(value)
            self.entries[entry.shard] = entry

    def newer_messages(self) -> list[ReceivedMessage]:
        """Return the messages without the deltas that the snapshot already includes.

        All events remain, so that there is no gap in their numbers.
        """
        added: set[str] = set()
        newer = []
        for message in self.messages:
            update = message.update
            if isinstance(update, Event) and update.type == ADDED:
                added.add(update.shard)
            if isinstance(update, Delta):
                entry = self.entries.get(update.shard)
                if update.revision <= entry.revision if entry else update.shard not in added:
                    continue
            newer.append(message)
        return newer
