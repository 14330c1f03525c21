"""Clients with different rights that connect and disconnect: does one get frames of others?

Clients that are held to some shards connect, subscribe to their own and to foreign topics, send
messages that are no subscriptions, and go again, hundreds of times a minute; others of them stay
and receive. Clients with all rights subscribe to everything beside them and wait for their fences.
Each frame that arrives is judged by `tests.security.grants`.

    python -m tests.security.churn --seconds 1800

Exit code: 0 if no client received a foreign frame and each fence arrived, 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import zmq

from tests.daemons import RunningDaemon
from tests.security.bus_peers import USER_MESSAGES, BusPeer
from tests.security.grants import Grant
from tests.security.keyring import ADMIN, Keyring
from tests.servers import RealServer
from zinfo.client import Client
from zinfo.errors import ZinfoError
from zinfo.wire.bus_messages import fence_topic

SHARDS = ("cache-1", "cache-2", "db-1", "secret-1", "secret-2")

GRANTS = {
    "cache": Grant(shards=("cache-",)),
    "also-cache": Grant(shards=("cache-",)),
    "db": Grant(shards=("db-",), hidden=("mem_*", "executable")),
    "events": Grant(operations=frozenset({"events"})),
    "blind": Grant(hidden=("used_memory*", "run_id")),
}
"""Clients with limited rights."""

TOPICS = (
    b"", b"z1/", b"z1/info/", b"z1/delta/", b"z1/event/", b"z1/info/cache-", b"z1/info/secret-1/",
    b"z1/delta/secret-1/", b"z1/delta/db-1/", b"z1/hb/",
)  # fmt: skip

CONNECT = 60.0
"""Seconds for a connection to the bus, with its CURVE handshake."""

FENCE = 60.0
"""Seconds after which a fence counts as lost."""

REPORT = 60.0
"""Seconds between two lines of progress."""


class Churn:
    """Counts what happens, from several threads.

    Args:
        daemon: lets the clients in.
        ring: keys of all clients.
        until: monotonic clock at which all threads end.
        endpoints: of the bus, by client.
    """

    def __init__(
        self, daemon: RunningDaemon, ring: Keyring, until: float, endpoints: dict[str, str]
    ) -> None:
        self._daemon, self._ring, self._until, self._endpoints = daemon, ring, until, endpoints
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    def start(self) -> list[threading.Thread]:
        """Start all clients, each in a thread."""
        work: list[tuple[Callable[[random.Random, str], None], str]] = [
            (self.come_and_go, "cache"),
            (self.come_and_go, "db"),
            (self.come_and_go, "events"),
            (self.stay, "also-cache"),
            (self.stay, "blind"),
            (self.stay, "events"),
            (self.fence, ADMIN),
            (self.fence, ADMIN),
        ]
        threads = [
            threading.Thread(target=self._guarded, args=(what, random.Random(number), name))
            for number, (what, name) in enumerate(work)
        ]
        for thread in threads:
            thread.start()
        return threads

    def report(self) -> list[str]:
        """Return a report in lines."""
        foreign, failed = self.foreign.total(), self.failures.total()
        return [
            *(
                f"{name.replace('_', ' ')}: {count:,}"
                for name, count in sorted(self.counts.items())
            ),
            f"foreign frames: {foreign:,}",
            f"lost fences and other failures: {failed:,}",
            *(f"  {count:,} x {what}" for what, count in self.foreign.most_common(10)),
            *(f"  {count:,} x {what}" for what, count in self.failures.most_common(10)),
        ]

    def come_and_go(self, dice: random.Random, name: str) -> None:
        """Connect, subscribe random topics, send user messages, and disconnect."""
        with self._peer(
            name, dice.choice([self._endpoints[name], *self._endpoints.values()])
        ) as peer:
            if not self._connected(peer, b"z1/hb/", 0.5):
                return  # the endpoint does not admit this key (yet)
            for _ in range(dice.randrange(1, 40)):
                if dice.random() < 0.6:
                    peer.subscribe(dice.choice(TOPICS))
                    self._count(subscriptions=1)
                elif dice.random() < 0.5:
                    peer.unsubscribe(dice.choice(TOPICS))
                else:
                    peer.send(*dice.choice(USER_MESSAGES))
                    self._count(user_messages=1)
            self._judge(name, peer.received(dice.choice([0.0, 0.01, 0.05])))

    def stay(self, _dice: random.Random, name: str) -> None:
        """Subscribe to everything, and receive until the end."""
        with self._peer(name, self._endpoints[name]) as peer:
            if not self._connected(peer, b"", CONNECT):
                self._fail(f"{name} could not connect within {CONNECT} s")
                return
            while time.monotonic() < self._until:
                self._judge(name, peer.received(0.2))

    def fence(self, dice: random.Random, name: str) -> None:
        """Subscribe with all rights, and wait for the fence."""
        topic = fence_topic(f"churn-{dice.getrandbits(64):016x}")
        with self._peer(name, self._endpoints[name]) as peer:
            if not self._connected(peer, dice.choice(TOPICS), CONNECT):
                self._fail(f"{name} could not connect within {CONNECT} s")
                return
            peer.subscribe(b"z1/info/secret-1/")
            peer.subscribe(topic)
            self._count(fences=1)
            ends = time.monotonic() + FENCE
            while time.monotonic() < ends:
                if any(frames[0] == topic for frames in peer.received(0.05)):
                    return
            self._fail(f"{name} got no fence within {FENCE} s")

    def _guarded(
        self, work: Callable[[random.Random, str], None], dice: random.Random, name: str
    ) -> None:
        try:
            while time.monotonic() < self._until and not self.foreign:
                work(dice, name)
        except Exception as error:  # a thread's own exception would be lost
            self._fail(f"{name}: {error!r}")

    @contextlib.contextmanager
    def _peer(self, name: str, endpoint: str) -> Iterator[BusPeer]:
        with zmq.Context() as context, BusPeer(context, endpoint, self._ring.of(name)) as peer:
            self._count(connections=1)
            yield peer

    def _connected(self, peer: BusPeer, prefix: bytes, seconds: float) -> bool:
        ends = time.monotonic() + seconds
        while not peer.subscribe(prefix):
            if time.monotonic() > ends:
                return False
            time.sleep(0.002)
        return True

    def _judge(self, name: str, messages: list[list[bytes]]) -> None:
        self._count(frames=len(messages))
        grant = GRANTS[name]
        for frames in messages:
            problem = grant.problem(frames)
            if problem:
                with self._lock:
                    self.foreign[f"{name} received {problem}"] += 1

    def _count(self, **more: int) -> None:
        with self._lock:
            self.counts.update(more)

    def _fail(self, why: str) -> None:
        with self._lock:
            self.failures[why] += 1


def run(seconds: float, say: Callable[[str], object]) -> Churn:
    """Run the clients against a daemon.

    Args:
        seconds: how long.
        say: called with each line of progress.
    """
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zi-")))
        ring = Keyring(directory / "keys")
        for name in GRANTS:
            ring.authorize(name)
        server = stack.enter_context(RealServer())
        tables = f"[clients.{ADMIN}]\n" + "".join(
            grant.table(name) for name, grant in GRANTS.items()
        )
        text = ring.config([(name, server.url) for name in SHARDS], tables)
        daemon = stack.enter_context(RunningDaemon(config_text=text, keys=ring.of(ADMIN)))
        daemon.wait_polled(len(SHARDS))
        endpoints = {name: _endpoint(daemon, ring, name) for name in (*GRANTS, ADMIN)}
        begun = time.monotonic()
        churn = Churn(daemon, ring, begun + seconds, endpoints)
        threads = churn.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(REPORT)
                if thread.is_alive():
                    say(f"{time.monotonic() - begun:.0f} s: {dict(churn.counts)}")
        daemon.ask("ping")
        return churn


def _endpoint(daemon: RunningDaemon, ring: Keyring, name: str) -> str:
    with Client(daemon.query, keys=ring.of(name)) as client:
        bus = client.hello()["bus"]
    if not isinstance(bus, list) or not bus:
        raise ZinfoError(f"hello names no bus for {name}")
    return str(bus[0])


def main() -> int:
    """Run for the time given on the command line, and print a report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.security.churn", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    given = parser.parse_args()
    churn = run(given.seconds, lambda line: sys.stderr.write(f"{line}\n"))
    sys.stdout.write("\n".join(churn.report()) + "\n")
    return 1 if churn.foreign or churn.failures else 0


if __name__ == "__main__":
    sys.exit(main())
