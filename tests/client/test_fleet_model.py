"""A Fleet is never silently wrong: a model test with faults of several daemons and the network.

After every step, what the Fleet calls fresh is what a daemon has, or had at that revision. Whenever
each Mirror has received the newest heartbeat of its daemon, or notices that its daemon is silent, a
shard that exists is fresh, or said to be stale, or the Fleet is. When the faults end, the Fleet is
fresh within some simulated seconds, and stays so without one of the daemons.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.client.fleet_world import FleetWorld, MemberWorld
from tests.examples import examples
from zinfo.wire.slices import SliceSpec

pytestmark = pytest.mark.timeout(600)  # all examples of one run are a single test

SHARDS = st.sampled_from([f"shard-{number}" for number in range(6)])
MEMBERS = st.integers(0, 3)
FATES = st.sampled_from(["waits", "arrives", "arrives", "lost"])
COPIES = 2
SILENCE = 3.5  # simulated seconds in which it is noticed that a daemon is silent
CONVERGENCE = 8.0  # simulated seconds after the last fault, with the time to notice it


def slices(count: int) -> list[SliceSpec | None]:
    """The slices of four daemons, of which `count` are in use."""
    return [SliceSpec(number, count, COPIES) for number in range(count)] + [None] * (4 - count)


class FleetMachine(RuleBasedStateMachine):
    """Random changes, losses, cuts, stops and restarts."""

    world_type = FleetWorld
    world: FleetWorld

    @initialize(
        seed=st.integers(0, 1000),
        shards=st.sets(SHARDS),
        clock_errors=st.lists(st.sampled_from([0.0, 1e9, -5.0]), min_size=4, max_size=4),
        sliced=st.sampled_from([True, True, True, False]),
    )
    def begin(
        self, *, seed: int, shards: set[str], clock_errors: list[float], sliced: bool
    ) -> None:
        self.count = 3
        self.sliced = sliced
        self.world = self.world_type(self.specs(), seed, clock_errors)
        self.world.shards = set(shards)
        for member in self.expected():
            member.start(member.spec)
        assert self.world.recover(CONVERGENCE) <= CONVERGENCE
        self.world.run(1.1)
        assert self.world.copies.ids() == shards

    def specs(self) -> list[SliceSpec | None]:
        """The slices, as they are configured now."""
        return slices(self.count) if self.sliced else [None] * 4

    def expected(self) -> list[MemberWorld]:
        """The daemons that should run."""
        return self.world.members[: self.count if self.sliced else 4]

    # --- the daemons

    @rule(at=MEMBERS, shard=SHARDS, what=st.sampled_from(["poll", "poll", "down"]), fate=FATES)
    def change(self, at: int, shard: str, what: str, fate: str) -> None:
        member = self.world.members[at]
        if not member.running or shard not in member.daemon.shards:
            return
        before = len(member.bus)
        if what == "poll":
            member.daemon.poll(shard, {"db0": {"keys": at}})
        else:
            member.daemon.enter(shard, "down", "timeout")
        self.meet(member, fate, before)

    @rule(shard=SHARDS)
    def register(self, shard: str) -> None:
        """A shard is added to the sources, or removed."""
        self.world.shards ^= {shard}

    @rule(at=MEMBERS, fate=FATES)
    def discover(self, at: int, fate: str) -> None:
        member = self.world.members[at]
        before = len(member.bus)
        self.world.discover(member)
        self.meet(member, fate, before)

    @rule(at=MEMBERS, fate=FATES)
    def beat(self, at: int, fate: str) -> None:
        member = self.world.members[at]
        if member.running:
            before = len(member.bus)
            member.daemon.beat()
            self.meet(member, fate, before)

    def meet(self, member: MemberWorld, fate: str, before: int) -> None:
        if fate == "lost":
            while len(member.bus) > before:
                member.bus.pop()
        elif fate == "arrives":
            while member.deliver():
                pass

    # --- time and the network

    @rule(at=MEMBERS)
    def arrive(self, at: int) -> None:
        """What is in transit to or from one daemon arrives."""
        self.world.members[at].settle()

    @rule(seconds=st.sampled_from([0.2, 1.0, 3.1]))
    def wait(self, seconds: float) -> None:
        self.world.tick(seconds)

    @rule(seconds=st.sampled_from([0.3, 1.2, 4.0]))
    def all_is_well(self, seconds: float) -> None:
        self.world.run(seconds)

    # --- faults

    @rule(at=MEMBERS, what=st.sampled_from(["bus", "query", "drop"]))
    def cut(self, at: int, what: str) -> None:
        member = self.world.members[at]
        if what == "bus":
            member.cut_bus()
        elif what == "query":
            member.cut_query()
        elif member.bus:
            member.bus.popleft()

    @rule(at=MEMBERS, what=st.sampled_from(["kill", "kill", "stop", "clock"]))
    def fail(self, at: int, what: str) -> None:
        member = self.world.members[at]
        if what == "kill":
            member.kill()
        elif what == "stop":
            member.running = False
        else:
            member.clock_error += 3600.0

    @rule(at=MEMBERS, reads=st.booleans())
    def start(self, at: int, reads: bool) -> None:
        """A daemon is started (again), with the slice that is configured now."""
        member = self.world.members[at]
        if member not in self.expected():
            return
        member.start(self.specs()[at])
        if reads:
            self.world.discover(member)

    @rule(at=MEMBERS)
    def proceed(self, at: int) -> None:
        """A stopped process continues."""
        member = self.world.members[at]
        if member.epochs > 1 and member.subscribed:
            member.running = True

    @rule(count=st.sampled_from([3, 4]))
    def resize(self, count: int) -> None:
        """Another number of slices is configured; each daemon takes it over when it is started."""
        self.count = count

    # --- checks

    @invariant()
    def fresh_is_right(self) -> None:
        self.world.check_fresh_copies()

    @invariant()
    def nothing_is_unseen(self) -> None:
        self.world.check_nothing_unseen()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        for at, member in enumerate(self.expected()):
            if not member.running or member.spec != self.specs()[at]:
                member.start(self.specs()[at])
        for member in world.members:
            if member not in self.expected():
                member.kill()
        took = world.recover(CONVERGENCE + 1)
        assert took <= CONVERGENCE, f"{took:.2f} s, {world.copies.coverage.missing}"
        world.run(SILENCE)
        assert world.recover(CONVERGENCE + 1) <= CONVERGENCE
        assert world.copies.ids() == world.shards
        if self.sliced:
            self.check_survival()

    def check_survival(self) -> None:
        """Without one of the daemons the Fleet is stale only until that is noticed."""
        self.world.members[0].kill()
        # The silent daemon still has a shard that is no longer in the sources.
        self.world.shards -= set(sorted(self.world.members[0].daemon.shards)[:1])
        self.world.run(SILENCE)
        for member in self.world.members:
            self.world.discover(member)
        self.world.run(SILENCE)
        assert not self.world.copies.stale()
        assert self.world.copies.ids() == self.world.shards
        self.world.members[1].kill()
        self.world.run(SILENCE)
        assert self.world.copies.stale()
        assert self.world.copies.ids() >= self.world.shards


FleetMachine.TestCase.settings = settings(
    max_examples=examples(300),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAFleetIsNeverSilentlyWrong = FleetMachine.TestCase
