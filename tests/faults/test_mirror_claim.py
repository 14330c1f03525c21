"""A Mirror is never silently wrong: a real daemon, real servers, and a network that fails.

`tests/client/test_mirror_model.py` checks the same for the state machine alone, with far more
examples.

After every step, every fresh shard is what the daemon published at that revision, and nothing
newer, labels included, was published more than three heartbeats ago. When the faults end, the
Mirror becomes fresh and equal.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import zmq

from tests.daemons import RunningDaemon
from tests.faults.proxy import LossyBus, Proxy
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Mirror
from zinfo.wire.bus_messages import parse_topic, topic, unpack_header
from zinfo.wire.codec import unpack

SERVERS = 3
BEAT = 0.2  # seconds between heartbeats
SILENCE = 3 * BEAT
SLACK = 1.0  # seconds by which threads may be late
LATE = 5  # how often the longest delay of a message without faults may be added on a busy machine
LONG = 60.0  # seconds after which a wait fails; it only ends a test that hangs
LOOKS = 5  # the least number of times that the Mirror is compared after each step
STEPS = 12
QUIET_COMMANDS = [
    "GET",
    "EXISTS",
    "TTL",
    "PTTL",
    "TYPE",
    "STRLEN",
    "ECHO",
    "TOUCH",
    "GETDEL",
    "PERSIST",
    "DUMP",
]
CONFIG = f"""
[poll]
min_interval = 0.04
max_interval = 0.1
interval_step = 0.02
[bus]
heartbeat = {BEAT}
"""


def turn_of(labels: dict[str, str]) -> int:
    """The turn in the labels of a shard; -1 where there is none yet."""
    return int(labels.get("turn", -1))


class PublishedHistory:
    """Everything that the daemon published, received by a subscriber without faults."""

    def __init__(self, bus: str) -> None:
        self.infos: dict[tuple[int, str, int], Any] = {}
        self.newest: dict[tuple[int, str], list[tuple[int, float]]] = {}
        self.labels: dict[tuple[int, str], list[tuple[dict[str, str], float]]] = {}
        self.latest = 0.0  # the longest delay of a message, in seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bus,))
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def superseded_at(self, epoch: int, shard: str, revision: int) -> float:
        """When the first newer revision arrived; infinite if none has."""
        came = list(self.newest.get((epoch, shard), ()))
        return next((when for number, when in came if number > revision), float("inf"))

    def relabelled_at(self, epoch: int, shard: str, labels: dict[str, str]) -> float:
        """When these labels of a shard were replaced; infinite if they were not.

        The turn in the labels says which are newer. The Mirror may have labels that have not come
        here yet.
        """
        came = list(self.labels.get((epoch, shard), ()))
        return next((when for one, when in came if turn_of(one) > turn_of(labels)), float("inf"))

    def _run(self, bus: str) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.rcvhwm = 100_000
            socket.setsockopt(zmq.RECONNECT_IVL, 10)
            socket.subscribe(topic("info"))
            socket.subscribe(topic("event"))
            socket.connect(bus)
            while not self._over.is_set():
                if socket.poll(20):
                    self._take(*socket.recv_multipart())

    def _take(self, name: bytes, raw: bytes, body: bytes) -> None:
        header, (kind, shard) = unpack_header(raw), parse_topic(name)
        self.latest = max(self.latest, time.time() - header.time)
        if kind == "info":
            self.infos[header.epoch, shard, header.seq] = unpack(body)
            came = self.newest.setdefault((header.epoch, shard), [])
            came.append((header.seq, time.monotonic()))
        else:
            event: Any = unpack(body)
            if event["type"] == "removed":
                # A shard that is added again has revision 0 until it replies.
                self.newest.pop((header.epoch, shard), None)
                self.labels.pop((header.epoch, shard), None)
            elif event.get("labels") is not None:
                seen = self.labels.setdefault((header.epoch, shard), [])
                seen.append((event["labels"], time.monotonic()))


class Scenario:
    """A daemon, servers, a network and a Mirror, and random steps that change or disturb them.

    Args:
        seed: of the choices.
        servers: that the daemon watches, now and then fewer of them.
    """

    def __init__(self, seed: int, servers: list[RealServer]) -> None:
        self.rng = random.Random(seed)
        self.servers = servers
        self.watched = set(range(SERVERS))
        self.compared = 0
        self.steps: list[str] = []
        self.longest_silence = 0.0
        self.turn = 0  # the label of all shards; each value is used once
        self._stack = ExitStack()

    def __enter__(self) -> Scenario:
        enter = self._stack.enter_context
        try:
            self.daemon = enter(RunningDaemon(config_text=self.config()))
            self.history = PublishedHistory(self.daemon.bus)
            self._stack.callback(self.history.end)
            self.lossy = enter(LossyBus(self.daemon.bus))
            self.bus = enter(Proxy(self.lossy.endpoint))
            self.query = enter(Proxy(self.daemon.query))
            self.mirror = enter(Mirror(self.query.endpoint, bus=self.bus.endpoint))
            wait_until(self.fresh, LONG, what="the mirror to be fresh")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def config(self) -> str:
        labels = f'labels = {{ turn = "{self.turn}" }}\n'
        shards = "".join(
            f'[[shards]]\nurl = "{self.servers[n].url}"\n{labels}' for n in self.watched
        )
        return CONFIG + shards

    # --- steps

    def step(self) -> None:
        actions = [
            self.write,
            self.write,
            self.lose,
            self.lose,
            self.swap,
            self.cut_bus,
            self.cut_query,
            self.delay,
            self.blackhole,
            self.mend,
            self.mend,
            self.server_dies,
            self.reload,
            self.relabel,
            self.restart,
            self.suspend,
        ]
        action = self.rng.choice(actions)
        self.steps.append(action.__name__)
        action()
        self.look_for(self.rng.choice([0.05, 0.2, 0.5]))

    def write(self) -> None:
        server = random.choice(self.servers)  # the number of calls depends on time, so no seed
        if server.running:
            server.client().set(f"k{self.rng.randrange(99)}", "x" * self.rng.randrange(9999))

    def touch(self) -> None:
        """Change a field that few polls change, so that no other delta follows soon."""
        server = random.choice(self.servers)  # the number of calls depends on time, so no seed
        if server.running:
            server.cli(random.choice(QUIET_COMMANDS), "k")

    def lose(self) -> None:
        self.lossy.drop += self.rng.choice([1, 2, 5, 20])

    def swap(self) -> None:
        self.lossy.swap += self.rng.choice([1, 3])

    def cut_bus(self) -> None:
        self.bus.cut()

    def cut_query(self) -> None:
        self.query.cut()

    def delay(self) -> None:
        self.bus.delay, self.query.delay = self.rng.choice([(0.1, 0), (1.0, 0), (0, 0.3)])

    def blackhole(self) -> None:
        for proxy in self.rng.sample([self.bus, self.query], self.rng.choice([1, 2])):
            proxy.blackhole()

    def mend(self) -> None:
        for proxy in (self.bus, self.query, self.lossy):
            proxy.restore()

    def server_dies(self) -> None:
        server = self.rng.choice(self.servers)
        if server.running:
            server.kill()
        else:
            server.start()

    def reload(self) -> None:
        self.watched ^= {self.rng.randrange(SERVERS)}
        self.daemon.config_path.write_text(self.config())
        self.daemon.signal(signal.SIGHUP)

    def relabel(self) -> None:
        self.turn += 1
        self.daemon.config_path.write_text(self.config())
        self.daemon.signal(signal.SIGHUP)

    def restart(self) -> None:
        self.daemon.kill()
        self.daemon.start()

    def suspend(self) -> None:
        self.daemon.suspend()
        self.look_for(self.rng.choice([0.1, SILENCE + 0.3]))
        self.daemon.resume()

    # --- checks

    def look_for(self, seconds: float) -> None:
        begun, looks = time.monotonic(), 0
        while looks < LOOKS or time.monotonic() - begun < seconds:
            looks += 1
            self.look()
            self.touch()
            time.sleep(0.01)

    def look(self) -> None:
        for shard in self.mirror:
            looked, epoch = time.monotonic(), self.mirror.epoch
            try:
                view = self.mirror.view(shard)
            except KeyError:  # it was removed between the two calls
                continue
            if not view.fresh or epoch is None or epoch != self.mirror.epoch:
                continue
            known = self.history.infos.get((epoch, shard, view.revision))
            if known is not None:
                assert view.info == known, f"{shard} differs at {view.revision}: {self.steps}"
                self.compared += 1
            silence = looked - self.history.superseded_at(epoch, shard, view.revision)
            self.longest_silence = max(self.longest_silence, silence)
            assert silence < self.bound(), f"{shard} is {silence:.2f} s behind: {self.steps}"
            self.look_at_labels(shard, epoch)

    def look_at_labels(self, shard: str, epoch: int) -> None:
        looked = time.monotonic()
        try:
            labels, view = self.mirror.labels(shard), self.mirror.view(shard)
        except KeyError:  # it was removed meanwhile
            return
        if view.fresh and epoch == self.mirror.epoch:
            silence = looked - self.history.relabelled_at(epoch, shard, labels)
            self.longest_silence = max(self.longest_silence, silence)
            assert silence < self.bound(), f"labels of {shard}: {silence:.2f} s: {self.steps}"

    def bound(self) -> float:
        """Return for how long a fresh shard may lack something newer, in seconds.

        How late threads are on this machine is measured: by the delay of messages to a subscriber
        in the same process, which has no faults.
        """
        return SILENCE + SLACK + LATE * self.history.latest

    def fresh(self) -> bool:
        return not self.mirror.stale and set(self.mirror) == self.ids()

    def ids(self) -> set[str]:
        return {self.servers[number].ident for number in self.watched}

    def recover(self) -> float:
        """End all faults; return the seconds until Mirror and daemon are equal."""
        self.mend()
        begun = time.monotonic()
        wait_until(self.fresh, LONG, f"the mirror to be fresh after {self.steps}")
        took = time.monotonic() - begun
        wait_until(self.equal, LONG, f"the mirror to equal the daemon after {self.steps}")
        self.look()
        return took

    def equal(self) -> bool:
        """Whether states and labels are the same, and INFO where the revision is."""
        body: Any = self.daemon.ask("snapshot").body
        assert {entry["shard"] for entry in body} == self.ids()
        same = 0
        for entry in body:
            view = self.mirror.view(entry["shard"])
            if view.fresh and view.revision == entry["revision"]:
                assert view.info == entry["info"], self.steps
                same += (view.state, self.mirror.labels(entry["shard"])) == (
                    entry["state"],
                    entry["labels"],
                )
        return same == len(body)


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RealServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(RealServer()) for _ in range(SERVERS)]


@contextmanager
def all_running(servers: list[RealServer]) -> Iterator[list[RealServer]]:
    yield servers
    for server in servers:
        if not server.running:
            server.start()


def run_scenarios(servers: list[RealServer], seeds: range, promise: Promise) -> None:
    recovered, compared, steps, behind = [], 0, 0, 0.0
    for seed in seeds:
        with all_running(servers), Scenario(seed, servers) as one:
            for lost in (1, 1, 2, 3):  # without other faults
                one.relabel()
                one.lossy.drop += lost
                one.look_for(0.7)
            for _ in range(STEPS):
                one.step()
            recovered.append(one.recover())
            compared += one.compared
            steps += len(one.steps)
            behind = max(behind, one.longest_silence)
    promise(
        f"{steps} random changes, losses, cuts, delays, restarts",
        f"fresh is right, and at most {SILENCE:.1f} s behind; fresh when they end",
        f"{compared} comparisons, all equal, at most {behind:.2f} s behind; fresh after "
        f"{max(recovered):.2f} s at most",
    )
    assert compared > 20 * len(seeds)


def test_a_mirror_is_never_silently_wrong(servers: list[RealServer], promise: Promise) -> None:
    run_scenarios(servers, range(1), promise)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_mirror_is_never_silently_wrong_in_many_runs(
    servers: list[RealServer], promise: Promise
) -> None:
    run_scenarios(servers, range(100, 130), promise)
