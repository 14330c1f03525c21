"""RedisShard: one server's identity, newest INFO, state and polling interval."""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Mapping
from typing import Any, Final

from zinfo.info.parser import Value
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.followed_rows import FollowedRows
from zinfo.shards.snapshot import Snapshot
from zinfo.wire import lifecycle


class ShardState(str, enum.Enum):
    """State of a shard, by its newest poll."""

    NEW = lifecycle.NEW  # no reply yet
    UP = lifecycle.UP
    LOADING = lifecycle.LOADING  # replies to INFO, but is loading its data set
    BUSY = lifecycle.BUSY  # running a script, replies -BUSY; the newest INFO is old
    DOWN = lifecycle.DOWN  # no reply; `reason` says why


STATES: Final = tuple(ShardState)
"""The states, in the order of their numbers; the last one is that of a removed shard."""


def state_number(state: ShardState) -> int:
    """Return the number of a state in `STATES`; 0 for a value that is not one of them."""
    return next((number for number, known in enumerate(STATES) if known is state), 0)


class RedisShard:
    """A Redis (or Valkey, KeyDB, ...) server that is polled for INFO.

    A busy shard is polled at the shortest interval. The interval of an idle shard grows with each
    poll. The class attributes determine this; they may be set for a subclass, for one shard, or by
    the configuration. A subclass may also override `polling_interval`.

    Args:
        ident: names the shard; `id` is `str(ident)`.
        redis_conn: a URL (redis://, rediss://, unix://), a `redis.Redis`, or a callable that
            returns one and is called at each connect. Any other object with an `info()` method
            works too; each of its polls runs in a greenlet.
        labels: any names and values, for queries and dashboards. `ShardPublisher.set_labels`
            changes the labels of a live shard.
        **options: with a URL only: username, password, password_file, password_env, ca_file,
            cert_file, key_file, check_hostname, tls_server_name, tls_verify, timeout,
            connect_timeout, info. They mean the same as the keys of `[[shards]]` in the
            configuration.

    Raises:
        ValueError: the URL, the tls_server_name or info is not valid.
        TypeError: options without a URL, or unknown options.

    Attributes:
        reason: why the shard is down; "" if it is not.
        last_error: text of the last failure; "" after a successful poll.
        since: wall clock at which the present state began, seconds since the Unix epoch; None where
            unknown. Another reason does not change it.
        failures: failed polls in a row.
        run_id: random id of the server process, from the newest INFO; None if INFO has none.
        role: role of the server (master, slave, sentinel, ...), from the newest INFO, or None.
        version: the server's own version, from the newest INFO, or None.
    """

    MIN_POLLING_INTERVAL: float = 0.5
    """Shortest interval between two polls, in seconds."""
    MAX_POLLING_INTERVAL: float = 3
    """Longest interval between two polls, in seconds."""
    POLLING_INTERVAL_STEP: float = 0.5
    """Seconds by which the interval grows after each poll that finds the shard idle."""
    OPS_ACTIVE_THRESH: float = 10
    """Commands per second; with this rate or a higher one, the interval drops to the shortest."""
    OPS_INACTIVE_THRESH: float = 5
    """Commands per second; with this rate or a lower one, the interval grows by a step."""

    def __init__(
        self,
        ident: object,
        redis_conn: Any,
        labels: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.id = str(ident)
        self.labels: dict[str, str] = dict(labels or {})
        self.redis_conn: Any
        if isinstance(redis_conn, str):
            self.redis_conn = ConnectionOptions(url=redis_conn, **options)
        elif options:
            raise TypeError(f"{', '.join(options)}: only a URL takes options")
        else:
            self.redis_conn = redis_conn
        self._state = ShardState.NEW
        self.since: float | None = time.time()
        self._rows: FollowedRows | None = None
        self._position = 0  # in these
        self.reason = ""
        self.last_error = ""
        self.failures = 0
        self.run_id: str | None = None
        self.role: str | None = None
        self.version: str | None = None
        self._snapshot: Snapshot | None = None
        self._interval = self.MIN_POLLING_INTERVAL

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state.value}>"

    @property
    def state(self) -> ShardState:
        """new, up, loading, busy or down (a `ShardState`, which is a str). It can be set."""
        return self._state

    @state.setter
    def state(self, state: ShardState) -> None:
        if state != self._state:
            self.since = time.time()
        self._state = state
        if self._rows is not None:
            self._rows.set_state(self._position, state_number(state))

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest INFO with its revision and times; None before the first."""
        return self._snapshot

    @property
    def revision(self) -> int:
        """Revision of the newest INFO; 0 before the first."""
        return self._snapshot.revision if self._snapshot else 0

    @property
    def info(self) -> dict[str, Value] | None:
        """The newest INFO, field to value; None before the first.

        Setting it sets `info_timestamp` and adapts the polling interval. Do not modify the dict.
        """
        return self._snapshot.info.fields if self._snapshot else None

    @info.setter
    def info(self, fields: Mapping[str, Value]) -> None:
        revision = self.revision + 1
        snapshot = Snapshot.from_fields(fields, revision, time.time(), time.monotonic())
        try:
            ops = float(snapshot.text(b"instantaneous_ops_per_sec") or "")
        except ValueError:
            ops = math.nan
        self.store(snapshot, ops)

    @property
    def info_timestamp(self) -> float | None:
        """Wall clock of the newest INFO, seconds since the Unix epoch; None before the first."""
        return self._snapshot.time if self._snapshot else None

    @property
    def info_age(self) -> float | None:
        """Seconds since the newest INFO arrived, by the monotonic clock; None before the first."""
        return max(0.0, time.monotonic() - self._snapshot.at) if self._snapshot else None

    def store(self, snapshot: Snapshot, ops: float) -> None:
        """Make `snapshot` the newest INFO and adapt the polling interval.

        Args:
            snapshot: the new snapshot.
            ops: its instantaneous_ops_per_sec; NaN if INFO has none, which leaves the interval
                unchanged.
        """
        self._snapshot = snapshot
        if self._rows is not None:
            self._rows.on_snapshot(self._position, snapshot)
        if ops >= self.OPS_ACTIVE_THRESH:
            self._interval = self.MIN_POLLING_INTERVAL
        elif ops <= self.OPS_INACTIVE_THRESH:
            longer = max(self._interval, self.MIN_POLLING_INTERVAL) + self.POLLING_INTERVAL_STEP
            self._interval = min(longer, self.MAX_POLLING_INTERVAL)

    def join(self, rows: FollowedRows) -> None:
        """Write each later INFO and state to a row of `rows`; a shard has one row at most."""
        if self._rows is None:
            self._rows, self._position = rows, rows.add(self, state_number(self._state))

    def leave(self, rows: FollowedRows) -> None:
        """Free the row in `rows`, if the shard has one there."""
        if self._rows is rows:
            self._rows = None
            rows.remove(self._position)

    def position_in(self, rows: FollowedRows) -> int | None:
        """Return the position of this shard's row; None if it has none in `rows`."""
        return self._position if self._rows is rows else None

    def polling_interval(self) -> float:
        """Return the seconds until the next poll.

        The poller calls it once after each poll. Subclasses may override it. 0 means that the shard
        is polled again in the next iteration of the event loop.
        """
        return min(max(self._interval, self.MIN_POLLING_INTERVAL), self.MAX_POLLING_INTERVAL)
