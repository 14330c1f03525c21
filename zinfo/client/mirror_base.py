"""What the blocking and the asyncio Mirror have in common: everything but the waiting.

Reading is safe from any thread. Each flavour has a loop that calls `_begin_iteration`, waits for
its sockets for at most the seconds that this returns, calls `_end_iteration`, and pauses for the
seconds that this returns.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping, ValuesView
from typing import TypeAlias

from zinfo.client.bus_session import Phase
from zinfo.client.endpoints import checked, checked_or_none
from zinfo.client.mirror_state import MirrorState, View
from zinfo.client.packed_info import reader_of
from zinfo.client.reported_deltas import chosen, field_names, union_of
from zinfo.client.session_driver import BATCH, SessionDriver
from zinfo.client.sockets import Context, Sockets, clock
from zinfo.client.stored_info import InfoParts
from zinfo.client.updates import Change, Delta, Info, Value
from zinfo.errors import NoAnswerError, ProtocolError
from zinfo.wire.curve_keys import ClientKeys

logger = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[str, Change], object]

GATHER_SECONDS = 0.005
"""Pause after messages were handled: half of the tick at whose end a daemon sends a batch."""

FAILURE_PAUSE = 0.2
"""Seconds before the next iteration after one that raised, so that errors do not fill the log."""


def check_selection(
    shards: Collection[str] | None,
    labels: Mapping[str, str] | None,
    fields: Collection[str] | None,
) -> frozenset[str] | None:
    """Check what selects the content of a Mirror; return the names of the fields, None for all.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: `fields` is empty.
    """
    if isinstance(shards, str):
        raise TypeError("shard_ids takes several ids, not one text")
    if not all(isinstance(text, str) for pair in (labels or {}).items() for text in pair):
        raise TypeError("labels takes a mapping of text to text")
    return None if fields is None else field_names(fields)


class MirrorBase(Mapping[str, Info]):
    """A live copy of a daemon's shards.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the shards to mirror; None for all.
        labels: those that a mirrored shard has; None for any.
        fields: names of the mirrored fields; None for all.
        bus: the bus endpoint, where it differs from the one that the daemon reports.
        context: creates the sockets.
        on_change: the first listener.
        keys: CURVE keys.

    Attributes:
        callback_errors: number of exceptions that listeners raised.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        shards: Collection[str] | None,
        labels: Mapping[str, str] | None,
        fields: Collection[str] | None,
        bus: str | None,
        context: Context | None,
        on_change: Listener | None,
        keys: ClientKeys | None,
    ) -> None:
        names = check_selection(shards, labels, fields)
        self.endpoint = checked(endpoint)
        self.callback_errors = 0
        self._listeners: list[tuple[Listener, frozenset[str] | None]] = []
        self._state = MirrorState(
            self.endpoint,
            shards,
            labels=labels,
            fields=names,
            bus=checked_or_none(bus),
            reports_changes=False,
        )
        self._lock = threading.Lock()
        self._sockets = Sockets(context, keys)
        self._driver = SessionDriver(
            self._state.session,
            self._sockets,
            self._state.on_bus,
            self._state.on_reply,
            after=self._call_listeners,
            lock=self._lock,
        )
        self._closing = False
        if on_change is not None:
            self.on_change(on_change)

    def __repr__(self) -> str:
        return f"<Mirror {self.endpoint} {len(self)} shards{', stale' if self.stale else ''}>"

    # --- reading

    def __getitem__(self, shard: str) -> Info:
        with self._lock:
            return self._state.store.info(shard) or {}

    def field(self, shard: str, name: str, default: Value | None = None) -> Value | None:
        """Return one field of a shard's INFO; quicker than reading the whole INFO.

        Args:
            shard: its id.
            name: of the field.
            default: returned where the shard has no such field, or was never polled.

        Raises:
            KeyError: the Mirror holds no such shard.
        """
        reader = reader_of(frozenset((name,)))
        with self._lock:
            return self._state.store.fields(shard, reader).get(name, default)

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(sorted(self._state.store.records))

    def __len__(self) -> int:
        with self._lock:
            return len(self._state.store.records)

    def __contains__(self, shard: object) -> bool:
        with self._lock:
            return shard in self._state.store.records

    def items(self) -> ItemsView[str, Info]:
        """Return ids and INFO of all shards at this moment."""
        with self._lock:
            stored = {shard: record.parts() for shard, record in self._state.store.records.items()}
        return {shard: self._read(shard, parts) for shard, parts in stored.items()}.items()

    def _read(self, shard: str, parts: InfoParts) -> Info:
        """Decode an INFO without holding the lock."""
        try:
            return parts.info() or {}
        except ProtocolError:
            with self._lock, contextlib.suppress(KeyError):  # it may be gone by now
                self._state.store.info(shard)  # marks the shard
            return {}

    def values(self) -> ValuesView[Info]:
        """Return the INFO of all shards at this moment."""
        return dict(self.items()).values()

    def view(self, shard: str) -> View:
        """Return revision, state, INFO and freshness of a shard, all of the same moment.

        Args:
            shard: its id.

        Raises:
            KeyError: the Mirror holds no such shard.
        """
        with self._lock:
            return self._state.view(shard, clock())

    def revision(self, shard: str) -> int:
        """Return the revision of a shard's INFO; 0 before its first poll.

        Args:
            shard: its id.

        Raises:
            KeyError: the Mirror holds no such shard.
        """
        with self._lock:
            return self._state.store.records[shard].revision

    def state(self, shard: str) -> tuple[str, str]:
        """Return a shard's state, and the reason if it is down.

        Args:
            shard: its id.

        Returns:
            The state (new, up, loading, busy or down), and the reason; "" if the shard is not down.

        Raises:
            KeyError: the Mirror holds no such shard.
        """
        with self._lock:
            record = self._state.store.records[shard]
            return record.state, record.reason

    def labels(self, shard: str) -> dict[str, str]:
        """Return a shard's labels; they are current if `view(shard).fresh` is true.

        Args:
            shard: its id.

        Raises:
            KeyError: the Mirror holds no such shard.
        """
        with self._lock:
            return dict(self._state.store.records[shard].labels)

    def fresh(self, shard: str) -> bool:
        """Return whether a shard is what the daemon has; `view` returns it with the INFO.

        A shard that is down is fresh as well, with its last INFO: `state` says whether it replies.

        Args:
            shard: its id.

        Raises:
            KeyError: the Mirror holds no such shard.
        """
        with self._lock:
            if shard not in self._state.store.records:
                raise KeyError(shard)
            return self._state.fresh(shard, clock())

    def age(self, shard: str) -> float:
        """Return the age of a shard's INFO in seconds; infinite before its first poll.

        Args:
            shard: its id.

        Raises:
            KeyError: the Mirror holds no such shard.
        """
        with self._lock:
            return max(0.0, clock() - self._state.store.records[shard].polled_at)

    @property
    def stale(self) -> bool:
        """Whether any shard may be out of date, missing, or already removed at the daemon."""
        with self._lock:
            return self._state.stale(clock())

    @property
    def stale_shards(self) -> frozenset[str]:
        """Ids of the shards that may be out of date, or may exist though they are not held."""
        with self._lock:
            return frozenset(self._state.stale_shards(clock()))

    @property
    def epoch(self) -> int | None:
        """Random number that identifies the run of the daemon; None before the first join."""
        return self._state.epoch

    @property
    def problem(self) -> str:
        """Why the Mirror is stale, in one line, as far as is known; "" if nothing is wrong."""
        return self._state.session.problem or self._state.problem

    @property
    def counters(self) -> dict[str, int]:
        """Counts of joins of the bus, snapshots requested, signs of loss, and others."""
        state = self._state
        return {
            "joins": state.session.joins,
            "resyncs": state.resync.count,
            "gaps": state.gaps,
            "malformed": state.malformed,
            "overflows": state.store.pending.overflows,
            "callback_errors": self.callback_errors,
        }

    # --- listeners

    def on_change(self, listener: Listener, *, fields: Collection[str] | None = None) -> Listener:
        """Call `listener(shard_id, change)` for each change from now on.

        A change is a `Delta` or an `Event`; they come in the order in which they were applied.
        Changes found by a snapshot are reported in the same form: as a Delta whose base is the
        revision held before, and as an Event with number 0. So when the Mirror joins, each shard is
        reported as `added`, and one that is down, loading or busy also with the event of that
        state, whose time is when the state began. A shard that a Mirror with `labels` follows, or
        no longer follows, because its labels changed is reported as `added` or `removed`, with
        number 0. The listener is called in the Mirror's thread (or event loop), which waits for it:
        it should return quickly. If it raises, the exception is logged and counted.

        With `fields`, a Delta has only these fields, and is reported only if one of them changed or
        is gone; events are reported as without. This costs less: other fields are not decoded.

        Args:
            listener: called with the id of the shard and the change.
            fields: names of fields; None for all.

        Returns:
            The listener, so that this can be used as a decorator.

        Raises:
            TypeError: `fields` is one text.
            ValueError: `fields` is empty.
        """
        names = None if fields is None else field_names(fields)
        with self._lock:
            self._listeners.append((listener, names))
            wanted = [of_one for _, of_one in self._listeners]
            self._state.report(union_of(wanted))
        return listener

    def _call_listeners(self) -> None:
        """Report the changes since the last call."""
        if not self._state.changes:
            return
        with self._lock:
            changes, self._state.changes = self._state.changes, []
            listeners = list(self._listeners)
        shared = len(listeners) > 1  # so that each needs a Delta of its own
        for change in changes:
            for listener, names in listeners:
                own: Change | None = change
                if shared and isinstance(change, Delta):
                    own = chosen(change, names)
                if own is not None:
                    self._call(listener, own)

    def _call(self, listener: Listener, change: Change) -> None:
        try:
            listener(change.shard, change)
        except Exception:
            self.callback_errors += 1
            logger.exception("a listener of the mirror of %s raised", self.endpoint)

    # --- the loop

    def _notify(self) -> None:
        """Wake `wait_ready`: the state may have changed. Called with the lock held."""

    def _not_ready(self, timeout: float) -> NoAnswerError:
        why = self.problem or "the snapshot is not complete"
        return NoAnswerError(
            f"no current copy of {self.endpoint} within {timeout:g} s: {why}; "
            "is `zinfo serve` running there?"
        )

    def _begin_iteration(self) -> float:
        """Do what is due; return the seconds to wait for messages."""
        with self._lock:
            self._state.tick(clock())
            self._notify()
            seconds = self._state.deadline() - clock()
        self._driver.perform_actions()
        return seconds

    def _end_iteration(self) -> float:
        """Handle the messages that have arrived; return the seconds to pause.

        An iteration costs as much as the deltas of several messages, so a Mirror of many shards
        lets some messages arrive meanwhile.
        """
        received = self._driver.receive()
        settled = self._state.session.phase is Phase.JOINED and not self._state.requesting
        return GATHER_SECONDS if settled and 0 < received < BATCH else 0.0

    def _on_failure(self, error: Exception) -> None:
        """Join again after an iteration raised."""
        logger.error("the mirror of %s failed and joins again", self.endpoint, exc_info=error)
        with self._lock:
            self._state.session.reset(clock(), f"failed: {error}")

    def _stop(self) -> None:
        """Close the sockets for good."""
        self._sockets.close()
        with self._lock:
            self._closing = True
            self._state.session.close()
            self._notify()
