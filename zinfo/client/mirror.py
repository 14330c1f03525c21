"""Mirror: a live copy of a daemon's shards in this process, kept by a thread."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping, ValuesView
from types import TracebackType
from typing import TypeAlias

import zmq

from zinfo.client.copies import Change
from zinfo.client.endpoints import checked
from zinfo.client.mirror_state import MirrorState, View
from zinfo.client.sockets import Context, Sockets, clock
from zinfo.client.updates import Delta, Info, copied
from zinfo.curve import ClientKeys
from zinfo.errors import NoAnswerError, ProtocolError
from zinfo.protocol import DEFAULT_QUERY_ENDPOINT

logger = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[str, Change], object]

_LONGEST_WAIT = 0.2  # seconds until a call of close() is noticed
_BATCH = 200  # bus messages handled before replies get their turn
_CLOSE_TIMEOUT = 5.0  # seconds to wait for the thread; a listener may keep it


class Mirror(Mapping[str, Info]):
    """A live copy of all or some shards of a daemon: field to value, by shard id.

    A thread of its own joins the bus, takes a snapshot and applies what changes. Losses are noticed
    (see `zinfo.client.mirror_state`) and mended without help: lost messages, a cut connection, a
    daemon that was restarted or stopped, this process itself having been stopped.

    What is *fresh*: the copy is exactly what the daemon held at its revision, no sign of a lost
    message is unsettled, and a heartbeat came within the last three heartbeat intervals of this
    very moment. So it lags behind the daemon by at most that, and a lost message of which nothing
    else tells is noticed with the next heartbeat. Anything else is *stale*: still there to read,
    but perhaps not current. `stale` speaks of all shards together, and of which shards there are;
    `stale_shards` and `view(id).fresh` of single ones. A shard that the daemon cannot reach is
    fresh: its INFO is the newest there is; its state says down, and its age grows.

    What is read is the caller's own copy. A shard that was never polled has an empty INFO. Reading
    is safe from any thread.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the shards to hold, whether they exist yet or not; None for all.
        bus: the bus endpoint, where it is reached by another than the daemon tells.
        context: makes the sockets; a `zmq.green.Context` in a process patched by gevent, where the
            thread is then a greenlet. None for this process's own.
        on_change: called as by `on_change()`, from the first change on.
        keys: by which client and daemon know each other (`ClientKeys.read`); None where the daemon
            asks for none.

    Raises:
        ConfigError: an endpoint that is none.

    Attributes:
        callback_errors: exceptions that listeners raised.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_QUERY_ENDPOINT,
        *,
        shards: Collection[str] | None = None,
        bus: str | None = None,
        context: Context | None = None,
        on_change: Listener | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        if isinstance(shards, str):
            raise TypeError("shards takes several ids, not one text")
        self.endpoint = checked(endpoint)
        self.callback_errors = 0
        self._listeners: list[Listener] = []
        self._state = MirrorState(
            self.endpoint, shards, bus=bus and checked(bus), tells=on_change is not None
        )
        self._sockets = Sockets(context, keys)
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self._closing = False
        if on_change is not None:
            self.on_change(on_change)
        self._thread = threading.Thread(target=self._run, name="zinfo-mirror", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<Mirror {self.endpoint} {len(self)} shards{', stale' if self.stale else ''}>"

    def __enter__(self) -> Mirror:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- reading

    def __getitem__(self, shard: str) -> Info:
        with self._lock:
            info = self._state.copies.records[shard].info
        return copied(info or {})

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(sorted(self._state.copies.records))

    def __len__(self) -> int:
        with self._lock:
            return len(self._state.copies.records)

    def __contains__(self, shard: object) -> bool:
        with self._lock:
            return shard in self._state.copies.records

    def items(self) -> ItemsView[str, Info]:
        """Return ids and INFO of all shards, as they are at this moment."""
        with self._lock:
            infos = {shard: record.info for shard, record in self._state.copies.records.items()}
        return {shard: copied(info or {}) for shard, info in infos.items()}.items()

    def values(self) -> ValuesView[Info]:
        """Return the INFO of all shards, as they are at this moment."""
        return dict(self.items()).values()

    def view(self, shard: str) -> View:
        """Return revision, state, info and freshness of a shard, of one and the same moment.

        Args:
            shard: its id.

        Raises:
            KeyError: no such shard is held.
        """
        with self._lock:
            view = self._state.view(shard, clock())
        return view if view.info is None else view._replace(info=copied(view.info))

    def revision(self, shard: str) -> int:
        """Return the number of the poll that a shard's INFO is from; 0 before the first."""
        with self._lock:
            return self._state.copies.records[shard].revision

    def state(self, shard: str) -> tuple[str, str]:
        """Return a shard's state (new, up, loading, busy, down) and, where down, the reason."""
        with self._lock:
            record = self._state.copies.records[shard]
            return record.state, record.reason

    def labels(self, shard: str) -> dict[str, str]:
        """Return a shard's labels; empty for some moments after it was added."""
        with self._lock:
            return dict(self._state.copies.records[shard].labels)

    def age(self, shard: str) -> float:
        """Return the seconds since a shard's INFO was read; infinite before the first time."""
        with self._lock:
            return max(0.0, clock() - self._state.copies.records[shard].polled_at)

    @property
    def stale(self) -> bool:
        """Whether anything held may not be current, or a shard be missing or too many."""
        with self._lock:
            return self._state.stale(clock())

    @property
    def stale_shards(self) -> frozenset[str]:
        """Ids of the shards that may not be current, or may exist without being held."""
        with self._lock:
            return frozenset(self._state.stale_shards(clock()))

    @property
    def epoch(self) -> int | None:
        """Random number of the daemon's start that was joined last; None before the first join."""
        return self._state.epoch

    @property
    def problem(self) -> str:
        """Why it is stale, as far as is known, in one line; "" while nothing is wrong."""
        return self._state.link.problem or self._state.problem

    @property
    def counters(self) -> dict[str, int]:
        """How often: joined the bus, snapshots asked for, signs of loss, and more."""
        state = self._state
        return {
            "joins": state.link.joins,
            "resyncs": state.resync.count,
            "gaps": state.gaps,
            "malformed": state.malformed,
            "overflows": state.copies.kept.overflows,
            "callback_errors": self.callback_errors,
        }

    # --- following

    def on_change(self, listener: Listener) -> Listener:
        """Call `listener(shard_id, change)` for each change from now on.

        A change is a `Delta` or an `Event`, in the order in which they were applied; the first
        snapshot, and what a re-sync finds, is told the same way: by a Delta against the revision
        held before, and by an Event whose number is 0. It is called from the Mirror's thread, which
        does nothing else meanwhile: keep it short. When it raises, that is logged and counted.

        Returns:
            The listener, so that this can be used as a decorator.
        """
        with self._lock:
            self._listeners.append(listener)
            self._state.copies.tells = True
        return listener

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until nothing is stale: all shards are held and current.

        Args:
            timeout: seconds.

        Raises:
            NoAnswerError: that did not come about in time; the message says what is known of why.
        """
        deadline = clock() + timeout
        with self._moved:
            while self._state.stale(clock()):
                left = deadline - clock()
                if left <= 0 or self._closing:
                    why = self.problem or "it is still being read"
                    raise NoAnswerError(
                        f"no current copy of {self.endpoint} within {timeout:g} s: {why}; "
                        "is `zinfo serve` running there?"
                    )
                self._moved.wait(left)

    def close(self) -> None:
        """End the thread and close its sockets. What is held stays readable, as stale."""
        self._closing = True
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_TIMEOUT)

    # --- the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    self._round()
                except zmq.ContextTerminated:
                    return
                except Exception as error:
                    logger.exception("a mirror of %s failed, and starts again", self.endpoint)
                    with self._lock:
                        self._state.link.lose(clock(), f"failed: {error}")
                    time.sleep(_LONGEST_WAIT)  # should it fail each time, then not in a tight loop
        finally:
            self._sockets.close()
            with self._moved:
                self._closing = True
                self._state.link.leave()
                self._moved.notify_all()

    def _round(self) -> None:
        state = self._state
        with self._moved:
            state.tick(clock())
            self._moved.notify_all()
            wait = min(state.deadline() - clock(), _LONGEST_WAIT)
        self._act()
        self._sockets.wait(wait)
        for frames in self._sockets.bus_messages(_BATCH):
            with self._lock:
                state.on_bus(frames, clock())
            self._act()
        for frames in self._sockets.replies():
            with self._lock:
                state.on_reply(frames, clock())
            self._act()

    def _act(self) -> None:
        """Carry out what the state asks for, and tell what changed."""
        state = self._state
        if not state.link.actions and not state.changes:
            return
        with self._lock:
            actions, state.link.actions = state.link.actions, []
            changes, state.changes = state.changes, []
            listeners = list(self._listeners)
        for action in actions:
            try:
                self._sockets.perform(action)
            except ProtocolError as error:
                with self._lock:
                    state.link.lose(clock(), str(error))
                break
        for change in changes:
            for listener in listeners:
                self._call(listener, change)

    def _call(self, listener: Listener, change: Change) -> None:
        try:
            own = (
                dataclasses.replace(change, set=copied(change.set))
                if isinstance(change, Delta)
                else change
            )
            listener(change.shard, own)
        except Exception:
            self.callback_errors += 1
            logger.exception("a listener of the mirror of %s failed", self.endpoint)
