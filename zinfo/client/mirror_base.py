"""The part of a Mirror that does not wait: what it holds, read from any thread, and its rounds.

Both flavours are this, and something that goes round: it waits for as long as `_begin_round` says,
then calls `_end_round`.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping, ValuesView
from typing import TypeAlias

from zinfo.client.endpoints import checked, checked_or_none
from zinfo.client.mirror_state import MirrorState, View
from zinfo.client.shard_store import Change
from zinfo.client.sockets import Context, Sockets, clock
from zinfo.client.updates import Delta, Info, copied
from zinfo.errors import NoAnswerError, ProtocolError
from zinfo.wire.curve_keys import ClientKeys

logger = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[str, Change], object]

FAILURE_PAUSE = 0.2  # seconds; should a round fail each time, then not in a tight loop
_BATCH = 200  # bus messages handled before replies get their turn


class Holding(Mapping[str, Info]):
    """A live copy: what is held, and what is done with what arrives.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the shards to hold; None for all.
        bus: the bus endpoint, where it is reached by another than the daemon tells.
        context: makes the sockets.
        on_change: the first listener.
        keys: by which client and daemon know each other.

    Attributes:
        callback_errors: exceptions that listeners raised.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        shards: Collection[str] | None,
        bus: str | None,
        context: Context | None,
        on_change: Listener | None,
        keys: ClientKeys | None,
    ) -> None:
        if isinstance(shards, str):
            raise TypeError("shards takes several ids, not one text")
        self.endpoint = checked(endpoint)
        self.callback_errors = 0
        self._listeners: list[Listener] = []
        self._state = MirrorState(
            self.endpoint, shards, bus=checked_or_none(bus), tells=on_change is not None
        )
        self._sockets = Sockets(context, keys)
        self._lock = threading.Lock()
        self._closing = False
        if on_change is not None:
            self.on_change(on_change)

    def __repr__(self) -> str:
        return f"<Mirror {self.endpoint} {len(self)} shards{', stale' if self.stale else ''}>"

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
        """Return a shard's labels; as current as `view` says that the shard is."""
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
        held before, and by an Event whose number is 0. It is called from the Mirror's
        thread (or event loop), which does nothing else meanwhile: keep it short. When it raises,
        that is logged and counted.

        Returns:
            The listener, so that this can be used as a decorator.
        """
        with self._lock:
            self._listeners.append(listener)
            self._state.copies.tells = True
        return listener

    def _moved(self) -> None:
        """Something may have changed, or it ended; called with the lock held."""

    def _not_ready(self, timeout: float) -> NoAnswerError:
        why = self.problem or "it is still being read"
        return NoAnswerError(
            f"no current copy of {self.endpoint} within {timeout:g} s: {why}; "
            "is `zinfo serve` running there?"
        )

    # --- rounds

    def _begin_round(self) -> float:
        """Do what is due; returns the seconds to wait for messages."""
        state = self._state
        with self._lock:
            state.tick(clock())
            self._moved()
            seconds = state.deadline() - clock()
        self._act()
        return seconds

    def _end_round(self) -> None:
        """Take what has come."""
        state = self._state
        for frames in self._sockets.bus_messages(_BATCH):
            with self._lock:
                state.on_bus(frames, clock())
            self._act()
        for frames in self._sockets.replies():
            with self._lock:
                state.on_reply(frames, clock())
            self._act()

    def _failed(self, error: Exception) -> None:
        """A round failed: start again from the beginning."""
        logger.error("a mirror of %s failed, and starts again", self.endpoint, exc_info=error)
        with self._lock:
            self._state.link.lose(clock(), f"failed: {error}")

    def _ended(self) -> None:
        """There will be no more rounds."""
        self._sockets.close()
        with self._lock:
            self._closing = True
            self._state.link.leave()
            self._moved()

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
