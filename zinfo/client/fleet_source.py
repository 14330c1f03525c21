"""One daemon of a FleetSubscriber: its Mirror, and what has changed there. Pure."""

from __future__ import annotations

import math

from zinfo.client.fleet_recent_events import RecentEvents
from zinfo.client.mirror_state import MirrorState


class FleetSource:
    """One daemon.

    Args:
        endpoint: its query endpoint.
        mirror: its Mirror, which reports changes.

    Attributes:
        endpoint: the same.
        mirror: the same.
        events: recent ones of shards of which another copy is followed.
        certain_until: local clock until which everything from the daemon is known to be received.
        wall_time: the daemon's wall clock when the last message arrived, about.
    """

    def __init__(self, endpoint: str, mirror: MirrorState) -> None:
        self.endpoint = endpoint
        self.mirror = mirror
        self.events = RecentEvents()
        self.certain_until = -math.inf
        self.wall_time = 0.0
        self._seen = (0, 0)  # joins, and gaps in the numbers of events
        self._status: tuple[bool, bool, int | None] = (False, False, None)
        self._suspects: set[str] = set()

    def is_current(self, shard: str, now: float) -> bool:
        """Return whether the copy of a shard is fresh, and of the present run of the daemon."""
        record = self.mirror.store.records.get(shard)
        return record is not None and not record.foreign and self.mirror.fresh(shard, now)

    def on_message(self, now: float, *, started: bool) -> bool:
        """Look for signs of lost events after a message; return whether there is one.

        Args:
            now: local clock.
            started: whether the consumer has its first copies of the shards.
        """
        self.wall_time = self.mirror.session.daemon_time(now)
        former, self._seen = self._seen, (self.mirror.session.joins, self.mirror.event_gaps)
        if self._seen == former:
            return False
        had_joined = former[0] > 0
        if had_joined or started:
            self.events.interrupt(now)
        return had_joined

    def update(self, now: float, dirty: set[str]) -> bool:
        """Look for what has changed.

        Args:
            now: local clock.
            dirty: the ids of shards are added whose copy became current, or is no longer.

        Returns:
            Whether that may be so for all shards.
        """
        mirror = self.mirror
        status = (mirror.session.reliable(now), mirror.lists_all(now), mirror.epoch)
        if mirror.store.any_suspect() or self._suspects:
            suspects = mirror.store.all_suspect()
            dirty |= suspects ^ self._suspects
            self._suspects = suspects
        former, self._status = self._status, status
        return status != former

    def note_certain(self, now: float) -> None:
        """Note until when everything is received, once the copies have been chosen."""
        if self.mirror.lists_all(now):
            self.certain_until = self.mirror.session.last_heartbeat_at
