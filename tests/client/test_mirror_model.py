"""A Mirror is never silently wrong: a model test against random faults of daemon and network.

After every step, every fresh shard is what the daemon had at that revision; and after the newest
heartbeat has arrived, the Mirror equals the daemon or is stale. When the faults end, it is fresh
and equal within five simulated seconds.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.client.world import World
from tests.examples import examples
from zinfo.client.batches import KINDS_OF_BATCHES
from zinfo.errors import ProtocolError
from zinfo.wire.bus_messages import pack_batch, parse_topic, unpack_batch

pytestmark = pytest.mark.timeout(600)  # all examples of one run are a single test

SHARDS = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.dictionaries(
    st.sampled_from(["used_memory", "role", "db0"]),
    st.one_of(st.integers(0, 3), st.none(), st.just({"keys": 1})),
    max_size=2,
)
FATES = st.sampled_from(["waits", "arrives", "arrives", "lost"])
FAULTS = ["drop", "reorder", "repeat", "header", "body", "cut", "part"]
CONVERGENCE = 5.0  # simulated seconds after the last fault


def with_bad_part(message: list[bytes], frame: int) -> list[bytes]:
    """Return a batch in which a frame of its last delta is malformed; others as they are."""
    if parse_topic(message[0])[0] not in KINDS_OF_BATCHES:
        return message
    try:
        *deltas, last = unpack_batch(message[2])
    except ProtocolError:  # malformed by a fault before
        return message
    frames = list(last)
    frames[frame] = b"\xc1"  # what msgpack never uses
    return [*message[:2], pack_batch([*deltas, (frames[0], frames[1], frames[2])])]


class MirrorMachine(RuleBasedStateMachine):
    """Random changes, losses, cuts and restarts."""

    world: World

    @initialize(
        seed=st.integers(0, 1000),
        scope=st.sampled_from([None, None, ("a", "b")]),
        labels=st.sampled_from([None, None, {"label": "x"}]),
        fence_totals=st.booleans(),
        shards=st.sets(SHARDS, max_size=3),
        strict=st.booleans(),
        joined=st.sampled_from([True, True, True, False]),
        room=st.sampled_from([1 << 20, 1500]),
        fields=st.sampled_from([None, None, ("used_memory", "db0")]),
        kinds=st.sampled_from([None, ("batch",), ("batch", "fields")]),
        partial=st.sampled_from([False, False, True]),
    )
    def begin(
        self,
        *,
        seed: int,
        scope: tuple[str, ...] | None,
        labels: dict[str, str] | None,
        fence_totals: bool,
        shards: set[str],
        strict: bool,
        joined: bool,
        room: int,
        fields: tuple[str, ...] | None,
        kinds: tuple[str, ...] | None,
        partial: bool,
    ) -> None:
        self.world = World(
            scope,
            seed,
            labels=labels,
            fields=fields,
            kinds=kinds,
            fence_totals=fence_totals,
            max_pending_bytes=room,
        )
        self.world.strict = self.world.daemon.strict = strict
        self.world.partial = self.world.daemon.partial = partial
        for shard in sorted(shards):
            self.world.daemon.add(shard, label="x" if shard < "c" else "y")
        if joined:
            self.world.recover(CONVERGENCE, polls=True)
            self.world.check_equal()

    # --- the daemon; its messages stay in transit, arrive at once, or are lost

    @rule(
        shard=SHARDS,
        what=st.sampled_from(["poll", "poll", "poll", "exist", "state", "event", "labels"]),
        values=VALUES,
        whole=st.booleans(),
        fate=FATES,
    )
    def change(
        self, shard: str, what: str, values: dict[str, object], whole: bool, fate: str
    ) -> None:
        daemon = self.world.daemon
        before = len(self.world.bus)
        if shard not in daemon.shards:
            daemon.add(shard, label="x" if whole else "y")
        elif what == "exist":
            daemon.remove(shard)
        elif what == "state":
            daemon.enter(shard, "down" if whole else "loading", "timeout")
        elif what == "event":
            daemon.happen(shard, "role_changed")
        elif what == "labels":
            daemon.relabel(shard, sent=not whole, label="xyx"[len(daemon.events) % 3])
        else:
            daemon.poll(shard, values, whole=whole)
        self.meet(fate, before)

    @rule(holding=st.booleans())
    def hold(self, holding: bool) -> None:
        """Deltas are in one batch until another message is sent, or each is a batch."""
        self.world.daemon.holding = holding
        self.world.daemon.flush()

    @rule(fate=FATES)
    def beat(self, fate: str) -> None:
        before = len(self.world.bus)
        self.world.daemon.beat()
        self.meet(fate, before)

    def meet(self, fate: str, before: int) -> None:
        if fate == "lost":
            while len(self.world.bus) > before:
                self.world.bus.pop()
        elif fate == "arrives":
            self.deliver(len(self.world.bus))

    # --- the network without faults

    @rule(count=st.integers(1, 3))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            frames = self.world.deliver()
            if frames is None:
                return
            self.check_after(frames)

    @rule(steps=st.lists(st.sampled_from(["serve", "reply", "subscribe"]), max_size=4))
    def queries(self, steps: list[str]) -> None:
        for step in steps:
            if step == "serve":
                self.world.serve()
            elif step == "reply":
                self.world.deliver_reply()
            else:
                self.world.subscribe()

    @rule(seconds=st.sampled_from([0.01, 0.2, 0.5, 1.0]))
    def wait(self, seconds: float) -> None:
        self.world.tick(seconds)

    @rule(seconds=st.sampled_from([0.3, 1.2, 2.5]), polls=st.booleans())
    def all_is_well(self, seconds: float, polls: bool) -> None:
        self.world.run(seconds, polls=polls)

    # --- faults

    @precondition(lambda self: self.world.bus)
    @rule(data=st.data(), how=st.sampled_from(FAULTS))
    def tamper(self, data: st.DataObject, how: str) -> None:
        bus = self.world.bus
        place = data.draw(st.integers(0, len(bus) - 1))
        if how == "drop":
            del bus[place]
        elif how == "reorder":
            bus[place - 1], bus[place] = bus[place], bus[place - 1]
        elif how == "repeat":
            bus.insert(data.draw(st.integers(0, len(bus))), bus[place])
        elif how == "cut":
            bus[place] = [*bus[place][:2], bus[place][2][:-3]]
        elif how == "part":
            bus[place] = with_bad_part(bus[place], data.draw(st.integers(0, 2)))
        else:
            message = list(bus[place])
            message[1 if how == "header" else 2] = b"\xc1"  # what msgpack never uses
            bus[place] = message

    @rule(
        what=st.sampled_from(["bus", "query", "stop", "restart"]),
        shards=st.sets(SHARDS, max_size=3),
    )
    def disaster(self, what: str, shards: set[str]) -> None:
        if what == "bus":
            self.world.cut_bus()
        elif what == "query":
            self.world.cut_query()
        elif what == "restart":
            self.world.restart_daemon(sorted(shards))
        else:  # the Mirror's process is stopped before it gets the next message
            self.world.now += 10

    # --- checks

    def check_after(self, frames: list[bytes]) -> None:
        world = self.world
        if world.is_newest_beat(frames) and not world.mirror.stale(world.now):
            # With some shards only, totals cannot show the loss of the last delta.
            totals_apply = world.mirror.scope is None and not world.partial
            world.check_equal(infos=totals_apply)

    @invariant()
    def fresh_is_right(self) -> None:
        self.world.check_fresh_copies()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        took = world.recover(CONVERGENCE + 1, polls=True)
        assert took <= CONVERGENCE, f"{took:.2f} s, {world.mirror.session.problem}"
        world.run(1.1)  # with one more heartbeat every loss is detected
        assert world.recover(CONVERGENCE + 1, polls=True) <= CONVERGENCE
        world.check_equal()


MirrorMachine.TestCase.settings = settings(
    max_examples=examples(300),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAMirrorIsNeverSilentlyWrong = MirrorMachine.TestCase
