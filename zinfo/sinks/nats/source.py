"""The live copy that a sink writes: a Fleet that says which daemon's copy of a shard is followed.

Two daemons may poll the same shard, each with an epoch and revisions of its own. The sink follows
one copy of each shard as long as that copy is fresh, so that its revisions go up one by one, and
changes over to another fresh copy when it is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import NamedTuple, TypeAlias

from zinfo.aio import Client, Fleet, Mirror
from zinfo.client.fleet_copies import FleetCopies
from zinfo.client.mirror_state import MirrorState
from zinfo.client.sockets import clock
from zinfo.client.updates import Change, Delta
from zinfo.errors import ProtocolError
from zinfo.sinks.nats.values import Copy, DaemonReport
from zinfo.wire.curve_keys import ClientKeys

OnChange: TypeAlias = "Callable[[str, float], None]"
"""Called with the id of a shard that changed, and since when the stored value may be out of date:
local clock; minus infinity if that is unknown."""

OnMessage: TypeAlias = "Callable[[str, int, Change], None]"
"""Called with the name and the epoch of the daemon, and a delta or event of it."""


class Status(NamedTuple):
    """The source at one moment.

    Attributes:
        complete: whether it is known which shards exist.
        ids: of the shards that are held.
        stale: ids of shards that may be out of date, including some that are not held.
        daemons: what is known of each daemon.
    """

    complete: bool
    ids: set[str]
    stale: set[str]
    daemons: tuple[DaemonReport, ...]


class Source(Fleet):
    """A Fleet that reports changes of the copies that are followed. Used in one event loop.

    Args:
        endpoints: as for `Fleet`.
        on_change: called for each change.
        on_message: called for each delta of a followed copy, and for each event.
        keys: CURVE keys; None for daemons without CURVE.
    """

    def __init__(
        self,
        endpoints: str | Collection[str],
        on_change: OnChange,
        on_message: OnMessage,
        *,
        keys: ClientKeys | None = None,
    ) -> None:
        self._on_change = on_change
        self._on_message = on_message
        self._followed: dict[str, MirrorState] = {}
        self._running: dict[str, Mirror] = {}  # by endpoint
        self._reliable: dict[str, bool] = {}  # by endpoint, at the last check
        self._epochs: dict[str, int | None] = {}  # by endpoint, whose shards were all reported
        super().__init__(endpoints, keys=keys)

    # --- reading

    def read(self, shard: str) -> Copy | None:
        """Return the followed copy of a shard; None if the source has no such shard."""
        with self._mirrors.copies() as copies:
            if not copies.has(shard):
                self._followed.pop(shard, None)
                return None
            state = self._choose(shard, copies)
            record = state.store.records[shard]
            try:
                info = record.packed()
            except ProtocolError:  # it is dropped; the Mirror requests the shard again
                state.store.on_malformed(shard)
                info = None
            return Copy(
                shard,
                state.session.node,
                state.epoch or 0,
                record.revision,
                record.time,
                record.state,
                record.reason,
                record.labels,
                info,
            )

    @property
    def complete(self) -> bool:
        """Whether it is known which shards exist."""
        with self._mirrors.copies() as copies:
            return copies.coverage.complete

    def status(self) -> Status:
        """Return what is complete and what is stale now."""
        with self._mirrors.copies() as copies:
            now = clock()
            daemons = tuple(
                DaemonReport(
                    mirror._state.session.node,
                    mirror._state.epoch or 0,
                    mirror._state.lists_all(now),
                )
                for mirror in self._running.values()
            )
            return Status(copies.coverage.complete, copies.ids(), copies.stale_shards(), daemons)

    def check(self) -> None:
        """Report what no listener hears of; to be called regularly.

        After a restart of a daemon these are all of its shards, as they have another epoch. If
        there are several daemons, these are the shards whose followed copy is no longer fresh.
        """
        self._forget_former()
        changed: set[str] = set()
        for endpoint, mirror in self._running.items():
            with mirror._lock:
                state, now = mirror._state, clock()
                reliable = state.session.reliable(now)
                if reliable and state.resync.complete and state.epoch != self._epochs.get(endpoint):
                    self._epochs[endpoint] = state.epoch
                    changed.update(state.store.records)
                elif reliable and len(self._running) > 1:
                    changed |= state.store.all_suspect()
                elif self._reliable.get(endpoint, False) and len(self._running) > 1:
                    changed.update(state.store.records)
            self._reliable[endpoint] = reliable
        for shard in changed:
            self._on_change(shard, -math.inf)

    def clients(self) -> list[tuple[str, Client]]:
        """Return endpoint and client of each daemon."""
        return [(member.endpoint, member.client) for member in self._fleet.current()]

    # --- changes

    def _new_mirror(self, endpoint: str) -> Mirror:
        mirror = super()._new_mirror(endpoint)
        mirror.on_change(lambda shard, change: self._report(mirror._state, shard, change))
        self._running[endpoint] = mirror
        return mirror

    def _report(self, state: MirrorState, shard: str, change: Change) -> None:
        """Pass on a change of one daemon's copy. Called in the event loop, without locks."""
        if not isinstance(change, Delta):
            if change.number:
                self._on_message(state.session.node, state.epoch or 0, change)
            if shard:
                self._on_change(shard, clock() if change.number else -math.inf)
            return
        followed = self._followed.get(shard)
        if followed is not state:
            if followed is not None and self._is_fresh(followed, shard):
                return
            self._followed[shard] = state
            self._on_change(shard, -math.inf)
            return
        follows = change.base == change.revision - 1
        self._on_change(shard, clock() if follows else -math.inf)
        if change.base:
            self._on_message(state.session.node, state.epoch or 0, change)

    def _choose(self, shard: str, copies: FleetCopies) -> MirrorState:
        """Return the Mirror whose copy is followed, after a change-over if that is needed."""
        followed = self._followed.get(shard)
        if followed is not None and self._is_fresh(followed, shard):
            return followed
        best = copies.best(shard)
        held = followed is not None and shard in followed.store.records
        if followed is not None and held and not best.fresh(shard, clock()):
            return followed  # nothing is better than what readers have
        self._followed[shard] = best
        return best

    @staticmethod
    def _is_fresh(state: MirrorState, shard: str) -> bool:
        return shard in state.store.records and state.fresh(shard, clock())

    def _forget_former(self) -> None:
        """Forget the Mirrors of daemons that are no longer part of the fleet."""
        current = {member.endpoint for member in self._fleet.current()}
        for endpoint in self._running.keys() - current:
            del self._running[endpoint]
            self._reliable.pop(endpoint, None)
            self._epochs.pop(endpoint, None)
