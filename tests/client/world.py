"""A simulated daemon, network and client, in which tests can cause every kind of fault.

No sockets, no threads, no time but the world's own: what a test finds here, it finds again.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from tests.client.model import Frames, ModelDaemon
from zinfo.client.bus_session import BusSession, CloseBus, OpenBus, OpenQuery, SendRequest, Timing
from zinfo.client.mirror_state import MirrorState
from zinfo.client.updates import Info
from zinfo.errors import ProtocolError
from zinfo.wire.bus_messages import FENCE_PREFIX, fields_of_topic, parse_topic, unpack_header
from zinfo.wire.codec import unpack
from zinfo.wire.lifecycle import ADDED, REMOVED, Event
from zinfo.wire.query_messages import encode_request

STEP = 0.05  # seconds of simulated time in each step of `run`


class State(Protocol):
    """The common interface of MirrorState and SubscriberState."""

    session: BusSession

    def tick(self, now: float) -> None: ...

    def on_bus(self, frames: Frames, now: float) -> None: ...

    def on_reply(self, frames: Frames, now: float) -> None: ...


class Network:
    """One daemon, one client, and the messages in transit between them.

    Args:
        state: the client.
        fence_totals: whether fences carry totals.
        kinds: of topics that the daemon offers, as in ModelDaemon.
    """

    def __init__(
        self, state: State, *, fence_totals: bool = False, kinds: Collection[str] | None = None
    ) -> None:
        self.now = 1000.0
        self.clock_error = 1e9  # of the daemon's wall clock against the world's
        self.next_beat = self.now + 0.5
        self.fence_totals = fence_totals
        self.kinds = kinds
        self.strict = True  # whether daemons refuse a request that names an unknown shard
        self.partial = False  # whether daemons say that they hide something from this client
        self.epochs = 0
        self.state = state
        self.topics: tuple[bytes, ...] = ()  # subscribed; empty while cut off
        self.subscribed: tuple[bytes, ...] = ()  # subscribed again after a reconnect
        self.subscribing = False  # subscriptions are in transit
        self.bus: deque[Frames] = deque()  # in transit to the client
        self.requests: deque[Frames] = deque()  # in transit to the daemon
        self.replies: deque[Frames] = deque()  # in transit to the client
        self.daemon = self._daemon()

    def _daemon(self) -> ModelDaemon:
        self.epochs += 1
        daemon = ModelDaemon(
            self.epochs,
            self._published,
            self.wall,
            fence_totals=self.fence_totals,
            kinds=self.kinds,
        )
        daemon.strict, daemon.partial = self.strict, self.partial
        return daemon

    def wall(self) -> float:
        """The daemon's wall clock."""
        return self.now + self.clock_error

    # --- the network

    def _published(self, frames: Frames) -> None:
        if any(frames[0].startswith(prefix) for prefix in self.topics):
            self.bus.append(frames)

    def subscribe(self) -> None:
        """The subscriptions reach the daemon, the fence last."""
        if not self.subscribing:
            return
        self.subscribing = False
        for prefix in sorted(self.subscribed):
            self.topics += (prefix,)
            if fields_of_topic(prefix) and prefix.decode() not in self.daemon.refused_topics:
                self.daemon.fields.add(prefix)
            if prefix.startswith(FENCE_PREFIX):
                self.daemon.fence(prefix)

    def serve(self) -> None:
        """The oldest request reaches the daemon."""
        if self.requests:
            self.replies.append(self.daemon.answer(self.requests.popleft()))

    def deliver(self) -> Frames | None:
        """The oldest bus message reaches the client."""
        if not self.bus:
            return None
        frames = self.bus.popleft()
        self.state.on_bus(frames, self.now)
        self.act()
        return frames

    def deliver_reply(self) -> None:
        """The oldest reply reaches the client."""
        if self.replies:
            self.state.on_reply(self.replies.popleft(), self.now)
            self.act()

    def cut_bus(self) -> None:
        """The bus connection breaks, and libzmq reconnects; messages in transit are lost."""
        self.bus.clear()
        self.topics = ()
        self.subscribing = bool(self.subscribed)

    def cut_query(self) -> None:
        """The query connection breaks, and libzmq reconnects."""
        self.requests.clear()
        self.replies.clear()

    def restart_daemon(self, shards: Collection[str] = ()) -> None:
        """The daemon is killed and started again, with these shards."""
        self.cut_bus()
        self.cut_query()
        self.daemon = self._daemon()
        for shard in shards:
            self.daemon.add(shard)

    # --- the client

    def tick(self, seconds: float = 0.0) -> None:
        """Time passes."""
        self.now += seconds
        self.state.tick(self.now)
        self.act()

    def act(self) -> None:
        """Carry out the session's actions."""
        actions, self.state.session.actions = self.state.session.actions, []
        for action in actions:
            if isinstance(action, OpenQuery):
                self.cut_query()
            elif isinstance(action, SendRequest):
                self.requests.append(encode_request(action.request))
            elif isinstance(action, CloseBus):
                self._leave()
            elif isinstance(action, OpenBus):
                self._leave()
                self.subscribed = action.topics
                self.subscribing = True

    def _leave(self) -> None:
        self.bus.clear()
        self.topics = self.subscribed = ()
        self.subscribing = False

    # --- running

    def run(
        self, seconds: float, *, polls: bool = True, until: Callable[[], bool] | None = None
    ) -> float:
        """Run without faults; return the simulated seconds."""
        started = self.now
        while self.now - started < seconds:
            if until and until():
                break
            self.tick(STEP)
            if self.now >= self.next_beat:
                self.next_beat = self.now + self.daemon.interval
                for shard in sorted(self.daemon.shards) if polls else ():
                    self.daemon.poll(shard)
                self.daemon.beat()
            self.settle()
        return self.now - started

    def settle(self) -> None:
        """Deliver everything in transit, and everything that this causes at once."""
        while self.bus or self.requests or self.replies or self.subscribing:
            self.subscribe()
            self.serve()
            self.deliver()
            self.deliver_reply()


class World(Network):
    """One daemon, and one Mirror that follows it.

    Args:
        scope: ids of the shards of interest; None for all.
        labels: those that the shards of interest have; None for any.
        fields: names of the fields of interest; None for all.
        kinds: of topics that the daemon offers, as in ModelDaemon.
        seed: of all that is random in the Mirror.
        fence_totals: whether fences carry totals.
        timing: of the Mirror.
        max_pending_bytes: of the Mirror.
    """

    def __init__(
        self,
        scope: Collection[str] | None = None,
        seed: int = 0,
        *,
        labels: Mapping[str, str] | None = None,
        fields: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        fence_totals: bool = False,
        timing: Timing | None = None,
        max_pending_bytes: int = 1 << 20,
    ) -> None:
        self.mirror = MirrorState(
            "inproc://query",
            scope,
            labels=labels,
            fields=fields,
            rng=random.Random(seed),
            timing=timing,
            max_pending_bytes=max_pending_bytes,
        )
        self.reported: list[object] = []
        self.followed: set[str] = set()  # ids, as a listener knows them from the changes
        super().__init__(self.mirror, fence_totals=fence_totals, kinds=kinds)

    def act(self) -> None:
        """Carry out the session's actions, and note the reported changes."""
        for change in self.mirror.changes:
            if isinstance(change, Event) and change.type == ADDED:
                self.followed.add(change.shard)
            elif isinstance(change, Event) and change.type == REMOVED:
                self.followed.discard(change.shard)
        self.reported += self.mirror.changes
        self.mirror.changes.clear()
        super().act()

    def recover(self, seconds: float = 5, *, polls: bool = False) -> float:
        """Run without faults until the Mirror is fresh; return the simulated seconds."""
        self.settle()
        return self.run(seconds, polls=polls, until=lambda: not self.mirror.stale(self.now))

    # --- checks

    def check_fresh_copies(self) -> None:
        """Every fresh shard is what the daemon had at that revision."""
        for shard, record in self.mirror.store.records.items():
            view = self.mirror.view(shard, self.now)
            if not view.fresh or self.mirror.epoch != self.daemon.epoch:
                continue
            assert self.narrowed(self.daemon.infos[shard, view.revision]) == view.info, shard
            held = (view.state, record.reason, record.labels)
            assert self.daemon.states[shard, record.seq] == held, shard
            assert self.mirror.labels.items() <= record.labels.items(), shard

    def check_equal(self, *, infos: bool = True) -> None:
        """The Mirror holds exactly what the daemon has now."""
        assert self.mirror.epoch == self.daemon.epoch
        scope, labels = self.mirror.scope, self.mirror.labels
        ids = {
            shard
            for shard, held in self.daemon.shards.items()
            if (scope is None or shard in scope) and labels.items() <= held.labels.items()
        }
        records = self.mirror.store.records
        assert set(records) == ids
        assert self.followed == ids, "what a listener knows"
        for shard in ids:
            held, record = self.daemon.shards[shard], records[shard]
            assert (record.state, record.reason) == (held.state, held.reason), shard
            assert record.labels == held.labels, shard
            if infos:
                info = self.narrowed(held.info)
                assert (record.revision, record.info()) == (held.revision, info), shard

    def narrowed(self, info: Info | None) -> Info | None:
        """Return the fields of interest of an INFO."""
        fields = self.mirror.fields
        if info is None or fields is None:
            return info
        return {name: value for name, value in info.items() if name in fields}

    def is_newest_beat(self, frames: Frames) -> bool:
        """Whether a message is a heartbeat with the daemon's current totals."""
        if parse_topic(frames[0])[0] != "hb":
            return False
        try:
            epoch, body = unpack_header(frames[1]).epoch, unpack(frames[2])
        except ProtocolError:  # malformed by a fault
            return False
        return epoch == self.daemon.epoch and body == self.daemon.totals()
