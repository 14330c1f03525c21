"""The copies of shards that a Fleet's Mirrors hold at one moment, and which of them count. Pure.

Which shards exist. A Mirror *lists* its daemon's shards if it is known which of them exist
(`MirrorState.lists_all`). Where the daemons that are listed cover all shards
(`zinfo.client.fleet_coverage`), a shard exists if one of them lists it. What only other Mirrors
hold was removed since, or has moved to another slice. Where they do not cover all shards, every
shard that any Mirror holds may exist.

Which copy counts. Of the fresh copies, the one with the newest INFO by the local clock; without a
fresh copy, the newest of all. A copy with an INFO is newer than one without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from zinfo.client.bus_session import NOT_JOINED
from zinfo.client.fleet_coverage import NO_REPLY, Coverage, MemberReport, problem_of_sources
from zinfo.client.mirror_state import MirrorState

_NO_RANK = (False, -math.inf)
_NO_COPY = "no current copy yet"


def report_of(endpoint: str, state: MirrorState, now: float) -> MemberReport:
    """Return the part of a daemon in the coverage of the fleet.

    Args:
        endpoint: of the daemon.
        state: its Mirror.
        now: local clock.
    """
    session = state.session
    lists = state.lists_all(now)
    problem = "" if lists else _problem(endpoint, state)
    return MemberReport(endpoint, session.slice, session.known, lists, problem)


def _problem(endpoint: str, state: MirrorState) -> str:
    problem = state.session.problem or state.problem
    if problem in (NOT_JOINED, f"no answer from {endpoint}"):
        return NO_REPLY
    return problem or problem_of_sources(state.session.waiting) or _NO_COPY


class FleetCopies:
    """The copies of a Fleet at one moment.

    Args:
        states: the Mirrors of the daemons; nothing else may change them meanwhile.
        coverage: by the reports of all daemons.
        now: local clock.
        listing: the Mirrors that list their shards; None to find them.
    """

    def __init__(
        self,
        states: Sequence[MirrorState],
        coverage: Coverage,
        now: float,
        listing: Sequence[MirrorState] | None = None,
    ) -> None:
        if listing is None:
            listing = [state for state in states if state.lists_all(now)]
        self.coverage = coverage
        self._states = states
        self._deciding = listing if coverage.complete else states  # whose shards exist
        self._now = now

    def ids(self) -> set[str]:
        """Return the ids of all shards."""
        found: set[str] = set()
        return found.union(*(state.store.records for state in self._deciding))

    def has(self, shard: object) -> bool:
        """Return whether a shard is among `ids`."""
        return any(shard in state.store.records for state in self._deciding)

    def best(self, shard: str) -> MirrorState:
        """Return the Mirror whose copy of a shard counts.

        Raises:
            KeyError: there is no such shard.
        """
        if not self.has(shard):
            raise KeyError(shard)
        best, rank = self._states[0], _NO_RANK
        for state in self._states:
            record = state.store.records.get(shard)
            if record is not None:
                own = (state.fresh(shard, self._now), record.polled_at)
                if rank is _NO_RANK or own > rank:
                    best, rank = state, own
        return best

    def all_best(self) -> dict[str, MirrorState]:
        """Return `best` for all shards, sorted by id."""
        ranks: dict[str, tuple[bool, float]] = {}
        best: dict[str, MirrorState] = {}
        for state in self._states:
            reliable, suspect = state.session.reliable(self._now), state.store.all_suspect()
            for shard, record in state.store.records.items():
                rank = (reliable and shard not in suspect, record.polled_at)
                if shard not in ranks or rank > ranks[shard]:
                    ranks[shard], best[shard] = rank, state
        return {shard: best[shard] for shard in sorted(self.ids())}

    def fresh(self, shard: str) -> bool:
        """Return whether a copy of the shard is fresh."""
        return any(
            shard in state.store.records and state.fresh(shard, self._now) for state in self._states
        )

    def stale_shards(self) -> set[str]:
        """Return the ids of the shards without a fresh copy, including some that are not held."""
        candidates: set[str] = set()
        for state in self._deciding:
            candidates |= state.stale_shards(self._now)
            if state.scope is not None and not self.coverage.complete:
                candidates |= state.scope
        for state in self._states:
            if candidates and state.session.reliable(self._now):
                candidates -= state.store.records.keys() - state.store.all_suspect()
        return candidates

    def stale(self) -> bool:
        """Return whether a shard may exist of which there is no fresh copy."""
        return not self.coverage.complete or bool(self.stale_shards())
