"""A FleetSubscriber is never silently wrong: a model test with faults of several daemons.

A consumer applies the updates. It checks that the base of each Delta is the revision given last of
the same copy, and that no event of a copy is left out without a Gap. Each INFO that it holds is one
that the daemon of the copy had at that revision. Whenever each Mirror has received the newest
heartbeat of its daemon, or notices that its daemon is silent, the consumer holds, of each shard
that is not said to be uncertain, what a daemon has. When the faults end, it holds everything.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from typing_extensions import override

from tests.client.fleet_consumer import Consumer
from tests.client.fleet_world import FleetWorld, MemberWorld
from tests.client.model import ModelDaemon
from tests.client.test_fleet_model import CONVERGENCE, FATES, MEMBERS, SHARDS, SILENCE, FleetMachine
from tests.examples import examples
from zinfo.client.fleet_subscriber_state import FleetSubscriberState
from zinfo.wire.slices import SliceSpec

pytestmark = pytest.mark.timeout(600)  # all examples of one run are a single test


class FollowedMember(MemberWorld):
    """A daemon, with a FleetSubscriber that takes over what its Mirror reports.

    Attributes:
        name: its endpoint, and its node.
        history: all of its runs, by epoch.
        subscriber: gets the changes; None before it exists.
    """

    def __init__(self, spec: SliceSpec | None, seed: int, clock_error: float) -> None:
        self.name = ""
        self.history: dict[int, ModelDaemon] = {}
        self.subscriber: FleetSubscriberState | None = None
        super().__init__(spec, seed, clock_error)

    @override
    def act(self) -> None:
        if self.subscriber is not None:
            self.subscriber.on_message(self.name, self.now)
        super().act()

    @override
    def start(self, spec: SliceSpec | None) -> None:
        super().start(spec)
        self.daemon.node = self.name
        self.history[self.daemon.epoch] = self.daemon


class FollowedFleet(FleetWorld):
    """Daemons, a FleetSubscriber, and its consumer."""

    member_type = FollowedMember
    members: list[FollowedMember]  # type: ignore[assignment]  # this kind of member only

    def follow(self, max_updates: int) -> None:
        """Start the FleetSubscriber."""
        self.consumer = Consumer()
        self.subscriber = FleetSubscriberState(("delta", "event"), max_updates)
        for at, member in enumerate(self.members):
            member.name, member.subscriber = f"m{at}", self.subscriber
        self.subscriber.set_members({member.name: member.mirror for member in self.members})

    @override
    def tick(self, seconds: float) -> None:
        super().tick(seconds)
        self.subscriber.settle(self.now)

    @override
    def run(self, seconds: float, until: object = None) -> float:
        took = super().run(seconds, until or (lambda: False))  # type: ignore[arg-type]  # a function
        self.subscriber.settle(self.now)
        return took

    def drain(self, at_most: int = 1000) -> None:
        """The consumer takes updates."""
        self.subscriber.settle(self.now)
        for _ in range(at_most):
            update = self.subscriber.next()
            if update is None:
                break
            self.consumer.take(update)

    def daemon_of(self, shard: str) -> ModelDaemon:
        """The run of the daemon whose copy the consumer has."""
        node, epoch = self.consumer.copies[shard]
        return next(one for one in self.members if one.name == node).history[epoch]

    def check_infos(self) -> None:
        """Each INFO that the consumer holds is what a daemon had at that revision."""
        for shard, (revision, info) in self.consumer.infos.items():
            assert (self.daemon_of(shard).infos[shard, revision] or {}) == info

    def check_certain(self) -> None:
        """What is not said to be uncertain is what a daemon has."""
        if not all(member.is_current for member in self.members):
            return
        self.drain()
        consumer = self.consumer
        assert not self.subscriber.has_updates
        assert consumer.missing == (not self.copies.coverage.complete)
        for shard in consumer.infos.keys() - consumer.uncertain:
            held = self.daemon_of(shard).shards.get(shard)
            if held is None:
                assert consumer.missing, f"{shard} was removed"
                continue
            assert consumer.infos[shard] == (held.revision, held.info or {})
            assert consumer.states.get(shard, held.state)[0] in (held.state, held.state[0])
            if shard in consumer.states:
                assert consumer.states[shard] == (held.state, held.reason)
            if shard in consumer.labels:
                assert consumer.labels[shard] == held.labels
            seq = self.daemon_of(shard).seqs[shard]
            assert consumer.seqs.get(shard, seq) == seq, "each event, or a Gap"
        current = {
            shard
            for one in self.members
            for shard in one.mirror.store.records
            if one.mirror.fresh(shard, self.now)
        }
        for shard in self.existing() & current:
            assert shard in consumer.infos or consumer.missing, shard
        if not consumer.missing:
            assert consumer.infos.keys() | consumer.uncertain <= self.copies.ids()


class FleetSubscriberMachine(FleetMachine):
    """Random changes, losses, cuts, stops and restarts, and a consumer that is slow at times."""

    world_type = FollowedFleet
    world: FollowedFleet

    @initialize(
        seed=st.integers(0, 1000),
        shards=st.sets(SHARDS),
        clock_errors=st.lists(st.sampled_from([0.0, 1e9, -5.0]), min_size=4, max_size=4),
        sliced=st.sampled_from([True, True, True, False]),
        room=st.sampled_from([10_000, 4]),
        early=st.booleans(),
    )
    @override
    def begin(
        self,
        *,
        seed: int,
        shards: set[str],
        clock_errors: list[float],
        sliced: bool,
        room: int,
        early: bool,
    ) -> None:
        self.count = 3
        self.sliced = sliced
        self.world = FollowedFleet(self.specs(), seed, clock_errors)
        self.world.shards = set(shards)
        self.world.follow(room)
        if early:
            self.world.subscriber.start()
        for member in self.expected():
            member.start(member.spec)
        assert self.world.recover(CONVERGENCE) <= CONVERGENCE
        self.world.run(1.1)
        self.world.subscriber.start()
        self.world.drain()
        assert self.world.consumer.infos.keys() == shards

    @rule(count=st.sampled_from([1, 3, 1000]))
    def consume(self, count: int) -> None:
        self.world.drain(count)

    @rule(at=MEMBERS, shard=SHARDS, what=st.sampled_from(["role", "labels"]), fate=FATES)
    def happen(self, at: int, shard: str, what: str, fate: str) -> None:
        member = self.world.members[at]
        if not member.running or shard not in member.daemon.shards:
            return
        before = len(member.bus)
        if what == "role":
            member.daemon.happen(shard, "role_changed")
        else:
            member.daemon.relabel(shard, label=str(len(member.daemon.events) % 3))
        self.meet(member, fate, before)

    @invariant()
    def infos_are_right(self) -> None:
        if hasattr(self, "world"):
            self.world.check_infos()

    @invariant()
    def what_is_certain_is_right(self) -> None:
        if hasattr(self, "world"):
            self.world.check_certain()

    @override
    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        super().teardown()
        world = self.world
        world.run(SILENCE)
        for member in world.members:
            member.settle()
        world.drain()
        if not world.copies.stale():
            assert world.consumer.uncertain == set()
            assert not world.consumer.missing
            assert world.consumer.infos.keys() == world.copies.ids()


FleetSubscriberMachine.TestCase.settings = settings(
    max_examples=examples(300),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAFleetSubscriberIsNeverSilentlyWrong = FleetSubscriberMachine.TestCase
