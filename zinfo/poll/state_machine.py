"""What the outcome of a poll means for a shard: its state, and the events of each change.

State machine: new -> up <-> loading | busy | down -> removed. No I/O.
"""

from __future__ import annotations

from zinfo.info.server_version import ServerVersion
from zinfo.poll.advice import with_advice
from zinfo.poll.errors import PROTOCOL, PollError
from zinfo.poll.hot_fields import HotFields
from zinfo.poll.restarts import describe_process, restart_by_uptime
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

    def on_reply(
        self,
        shard: RedisShard,
        snapshot: Snapshot,
        hot_fields: HotFields,
        previous: Snapshot | None,
    ) -> None:
        """The shard replied to INFO.

        Args:
            shard: the shard.
            snapshot: the reply.
            hot_fields: those of this reply.
            previous: the reply before; None if this is the first.
        """
        loading = hot_fields.loading not in (None, "0")
        self._enter(shard, ShardState.LOADING if loading else ShardState.UP)
        shard.failures, shard.last_error = 0, ""
        run_id, role = hot_fields.run_id, hot_fields.role
        if previous is not None and (run_id != shard.run_id or run_id is None):
            self._check_restart(shard, run_id, snapshot, previous)
        shard.run_id = run_id
        version = hot_fields.version and hot_fields.version.text
        if version != shard.version:
            if previous is not None and shard.version is not None:
                self._version_changed(shard, hot_fields.version, previous)
            shard.version = version
        if role != shard.role:
            if shard.role is not None:
                self._log.emit(shard.id, lifecycle.ROLE_CHANGED, shard.role, role)
            shard.role = role

    def on_failure(self, shard: RedisShard, error: PollError) -> None:
        """A poll failed: it returned no INFO."""
        shard.failures += 1
        shard.last_error = with_advice(error, shard.redis_conn)
        self._enter(shard, error.state, error.reason, shard.last_error)

    def on_error(self, shard: RedisShard, message: str, reason: str) -> None:
        """An error that does not change the state of the shard."""
        shard.last_error = message
        state = shard.state.value
        self._log.emit(
            shard.id, lifecycle.POLLING_ERROR, state, state, reason=reason, message=message
        )

    def on_sections_unsupported(self, shard: RedisShard, message: str) -> None:
        """The shard does not have all of the chosen sections of INFO; `message` names them."""
        state = shard.state.value
        self._log.emit(
            shard.id, lifecycle.POLLING_ERROR, state, state, reason=PROTOCOL, message=message
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

    def _check_restart(
        self, shard: RedisShard, run_id: str | None, snapshot: Snapshot, previous: Snapshot
    ) -> None:
        if shard.run_id is not None and run_id is not None:
            message = describe_process(previous, snapshot)
            self._log.emit(shard.id, lifecycle.RESTARTED, shard.run_id, run_id, message=message)
        elif message := restart_by_uptime(previous, snapshot):
            self._log.emit(shard.id, lifecycle.RESTARTED, message=message)

    def _version_changed(
        self, shard: RedisShard, version: ServerVersion | None, previous: Snapshot
    ) -> None:
        former, message = server_version(previous), ""
        if former and version and former.field != version.field:  # another server, such as Valkey
            message = f"{former.field}:{former.text} -> {version.field}:{version.text}"
        text = version and version.text
        self._log.emit(shard.id, lifecycle.VERSION_CHANGED, shard.version, text, message=message)
