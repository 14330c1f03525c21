"""What the outcome of a poll means for a shard: its state, and the events of each change.

State machine: new -> up <-> loading | busy | down -> removed. No I/O.
"""

from __future__ import annotations

from zinfo.poll.errors import PollError
from zinfo.poll.hot_fields import HotFields
from zinfo.shards import events
from zinfo.shards.events import EventLog
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot, server_version
from zinfo.wire import lifecycle


class ShardStateMachine:
    """Sets the state of shards and emits their lifecycle events.

    Args:
        log: takes the events.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def on_added(self, shard: RedisShard) -> None:
        """The shard is polled from now on."""
        shard.state, shard.reason, shard.failures = ShardState.NEW, "", 0
        labels = events.event_labels(shard.labels)
        self._log.emit(shard.id, lifecycle.ADDED, None, shard.state.value, labels=labels)

    def on_removed(self, shard: RedisShard) -> None:
        """The shard is no longer polled."""
        self._log.emit(shard.id, lifecycle.REMOVED, shard.state.value, None)

    def on_labels_changed(self, shard: RedisShard) -> None:
        """The labels of the shard changed."""
        message, labels = events.format_labels(shard.labels), events.event_labels(shard.labels)
        self._log.emit(shard.id, lifecycle.LABELS_CHANGED, message=message, labels=labels)

    def on_reply(self, shard: RedisShard, snapshot: Snapshot, hot_fields: HotFields) -> None:
        """The shard replied to INFO; `hot_fields` are those of this snapshot."""
        loading = hot_fields.loading not in (None, "0")
        self._enter(shard, ShardState.LOADING if loading else ShardState.UP)
        shard.failures, shard.last_error = 0, ""
        run_id, role = hot_fields.run_id, hot_fields.role
        if run_id != shard.run_id or run_id is None:
            self._new_process(shard, run_id, server_version(snapshot))
        if role != shard.role:
            if shard.role is not None:
                self._log.emit(shard.id, lifecycle.ROLE_CHANGED, shard.role, role)
            shard.role = role

    def on_failure(self, shard: RedisShard, error: PollError) -> None:
        """A poll failed: it returned no INFO."""
        shard.failures += 1
        shard.last_error = error.message
        self._enter(shard, error.state, error.reason, error.message)

    def on_error(self, shard: RedisShard, message: str, reason: str) -> None:
        """An error that does not change the state of the shard."""
        shard.last_error = message
        state = shard.state.value
        self._log.emit(
            shard.id, lifecycle.POLLING_ERROR, state, state, reason=reason, message=message
        )

    def _enter(
        self, shard: RedisShard, state: ShardState, reason: str = "", message: str = ""
    ) -> None:
        if (state, reason) == (shard.state, shard.reason):
            return
        old, shard.state, shard.reason = shard.state, state, reason
        self._log.emit(
            shard.id, state.value, old.value, state.value, reason=reason, message=message
        )

    def _new_process(self, shard: RedisShard, run_id: str | None, version: str | None) -> None:
        if shard.run_id is not None and run_id is not None:
            self._log.emit(shard.id, lifecycle.RESTARTED, shard.run_id, run_id)
        if version != shard.version and shard.version is not None:
            self._log.emit(shard.id, lifecycle.VERSION_CHANGED, shard.version, version)
        shard.run_id, shard.version = run_id, version
