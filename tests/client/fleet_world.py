"""Simulated daemons with slices, and the Mirrors of a Fleet that follows them.

As in `tests.client.world`: no sockets, no threads, no time but the world's own.
"""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from tests.client.model import Frames
from tests.client.world import STEP, World
from zinfo.client.fleet_copies import FleetCopies, report_of
from zinfo.client.fleet_coverage import coverage
from zinfo.wire.slices import SliceSpec


class MemberWorld(World):
    """One daemon with a slice, and its Mirror.

    Args:
        spec: its slice, which a restart may change.
        seed: of all that is random in the Mirror.
        clock_error: of the daemon's wall clock, in seconds.

    Attributes:
        running: whether the daemon runs; a stopped one neither sends nor reads.
    """

    def __init__(self, spec: SliceSpec | None, seed: int, clock_error: float) -> None:
        self.spec = spec
        self.running = False
        self.last: Frames | None = None
        super().__init__(seed=seed)
        self.clock_error = clock_error
        self.mirror.watch_sources()

    @override
    def subscribe(self) -> None:
        if self.running:
            super().subscribe()

    @override
    def serve(self) -> None:
        if self.running:
            super().serve()

    @override
    def deliver(self) -> Frames | None:
        frames = super().deliver()
        self.last = frames or self.last
        return frames

    @override
    def settle(self) -> None:
        while self.bus or self.replies or (self.running and (self.requests or self.subscribing)):
            self.subscribe()
            self.serve()
            self.deliver()
            self.deliver_reply()

    def kill(self) -> None:
        """The daemon is killed."""
        self.running = False
        self.cut_bus()
        self.cut_query()

    def start(self, spec: SliceSpec | None) -> None:
        """The daemon is started (again), and has not read its sources."""
        self.restart_daemon()
        self.running, self.spec = True, spec
        self.daemon.waiting = 1
        if spec is not None:
            slots = ("number", "count", "copies", "by")
            self.daemon.slice = {name: getattr(spec, name) for name in slots}

    @property
    def has_read(self) -> bool:
        """Whether the daemon runs, and has read its sources."""
        return self.running and not self.daemon.waiting

    def polls(self, shard: str) -> bool:
        """Whether the daemon should poll a shard."""
        return self.spec is None or self.spec.includes(shard, {})

    @property
    def is_current(self) -> bool:
        """Whether the Mirror is silent, or has just received the newest heartbeat."""
        if not self.mirror.session.reliable(self.now):
            return True
        heard = not self.bus and self.last is not None and self.is_newest_beat(self.last)
        return self.running and heard


class FleetWorld:
    """Daemons that share the shards, and a Fleet that follows them.

    Args:
        specs: slice of each daemon; none of them runs.
        seed: of all that is random in the Fleet.
        clock_errors: of the daemons' wall clocks, in seconds.

    Attributes:
        members: the daemons.
        shards: ids in the sources of the daemons.
    """

    member_type = MemberWorld

    def __init__(self, specs: list[SliceSpec | None], seed: int, clock_errors: list[float]) -> None:
        self.members = [
            self.member_type(spec, seed + at, error)
            for at, (spec, error) in enumerate(zip(specs, clock_errors, strict=True))
        ]
        self.shards: set[str] = set()

    @property
    def now(self) -> float:
        """The local clock."""
        return self.members[0].now

    @property
    def copies(self) -> FleetCopies:
        """What the Fleet holds now."""
        states = [member.mirror for member in self.members]
        reports = [report_of(str(at), state, self.now) for at, state in enumerate(states)]
        return FleetCopies(states, coverage(reports), self.now)

    def discover(self, member: MemberWorld) -> None:
        """A daemon reads its sources."""
        if not member.running:
            return
        wanted = {shard for shard in self.shards if member.polls(shard)}
        for shard in sorted(wanted.symmetric_difference(member.daemon.shards)):
            if shard in wanted:
                member.daemon.add(shard)
            else:
                member.daemon.remove(shard)
        member.daemon.waiting = 0

    def tick(self, seconds: float) -> None:
        """Time passes."""
        for member in self.members:
            member.tick(seconds)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Run without faults of the network; return the simulated seconds."""
        began = self.now
        while self.now - began < seconds and not until():
            self.tick(STEP)
            for member in self.members:
                if member.running and self.now >= member.next_beat:
                    member.next_beat = self.now + member.daemon.interval
                    for shard in sorted(member.daemon.shards):
                        member.daemon.poll(shard)
                    member.daemon.beat()
                member.settle()
        return self.now - began

    def recover(self, seconds: float) -> float:
        """All daemons read their sources; run until the Fleet is fresh, return the seconds."""
        for member in self.members:
            self.discover(member)
            member.settle()
        return self.run(seconds, until=lambda: not self.copies.stale())

    # --- checks

    def check_fresh_copies(self) -> None:
        """Each fresh shard of the Fleet is what a daemon has, or had at that revision."""
        copies = self.copies
        for member in self.members:
            member.check_fresh_copies()
        for shard, best in copies.all_best().items():
            assert copies.best(shard) is best
            assert best.view(shard, self.now).fresh == copies.fresh(shard)
            fresh = [
                state.store.records[shard].polled_at
                for state in (member.mirror for member in self.members)
                if shard in state.store.records and state.fresh(shard, self.now)
            ]
            newest = best.store.records[shard].polled_at
            assert not fresh or newest == max(fresh), "the newest of the fresh copies"

    def check_nothing_unseen(self) -> None:
        """A shard that exists is fresh, or said to be stale, or the Fleet is said to be."""
        if not all(member.is_current for member in self.members):
            return  # a Mirror notices what it has missed by the next heartbeat, or in three
        copies = self.copies
        stale, stale_shards, ids = copies.stale(), copies.stale_shards(), copies.ids()
        assert stale or not stale_shards
        for shard in self.existing():
            assert stale or shard in stale_shards or (shard in ids and copies.fresh(shard)), shard
        if not stale:
            heard = [one for one in self.members if one.mirror.lists_all(self.now)]
            assert ids == set().union(*(one.daemon.shards for one in heard))

    def existing(self) -> set[str]:
        """Return the ids that a daemon which is heard polls, and those that all their daemons poll.

        Where only some daemons of a shard have found it in their sources, and they are silent, the
        Fleet cannot know of it.
        """
        heard = [one for one in self.members if one.mirror.lists_all(self.now)]
        found = {shard for one in heard for shard in one.daemon.shards}
        for shard in self.shards:
            owners = [one for one in self.members if one.has_read and one.polls(shard)]
            if all(shard in owner.daemon.shards for owner in owners):
                found.add(shard)
        return found
