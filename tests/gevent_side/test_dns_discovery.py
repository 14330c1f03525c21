"""Shards from a real name server whose records change: no live server is dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import gevent
import pytest

from tests.dns_servers import DNSMASQ, DOMAIN, HINT, DnsServer
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.discovery.discovery import Discovery
from zinfo.discovery.guard import Guard
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.source_entry import SourceEntry
from zinfo.discovery.sources.dns import DnsSource
from zinfo.poll.poller import InfoPoller
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import ShardState
from zinfo.shards.source_status import FAILED, OK, SourceStatus

NAME = f"redis.{DOMAIN}"
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


class Watched:
    """The shards of a source, with a sample of the live ones every 20 ms."""

    def __init__(self, source: DnsSource, guard: Guard) -> None:
        self.publisher = ShardPublisher()
        self.discovery = Discovery(self.publisher, [SourceEntry(source, guard)])
        self.samples: list[set[str]] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with InfoPoller(self.publisher), self.discovery:
            sampler = gevent.spawn(self._sample)
            try:
                yield
            finally:
                sampler.kill()

    def _sample(self) -> None:
        while True:
            self.samples.append(self.up)
            gevent.sleep(0.02)

    @property
    def up(self) -> set[str]:
        return {one.id for one in self.publisher.get_live_shards() if one.state is ShardState.UP}

    @property
    def status(self) -> SourceStatus:
        return next(one for one in self.discovery.source_statuses() if one.name == "pods")

    def wait_for_reads(self, count: int) -> None:
        """Wait for successful reads that begin from now on."""
        reads = self.status.reads + 1
        self.wait(lambda: self.status.reads >= reads + count, "further reads")

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, what=what, sleep=gevent.sleep)


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RealServer]]:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(RealServer(host=HOSTS[0]))
        others = [RealServer(host=host, port=first.port) for host in HOSTS[1:]]
        yield [first, *map(stack.enter_context, others)]


@pytest.fixture
def name_server() -> Iterator[DnsServer]:
    if DNSMASQ is None:
        pytest.skip(HINT)
    with DnsServer() as server:
        yield server


def test_records_are_followed_and_no_live_server_is_dropped(
    servers: list[RealServer], name_server: DnsServer
) -> None:
    name_server.set_hosts({"redis": HOSTS[:2]})
    source = DnsSource(
        "pods",
        [NAME],
        TargetRules("pods"),
        port=servers[0].port,
        interval=0.1,
        resolv_conf=name_server.resolv_conf,
        server_port=name_server.port,
    )
    watched = Watched(source, Guard(misses=2, hold=600.0))
    first, second, third = (server.ident for server in servers)
    with watched.running():
        watched.wait(lambda: watched.up == {first, second}, "two shards")
        del watched.samples[:]
        name_server.set_hosts({"redis": HOSTS})
        watched.wait(lambda: watched.up == {first, second, third}, "a third shard")
        name_server.set_hosts({})  # as of a Service without pods, or by a mistake
        watched.wait_for_reads(4)
        assert (watched.status.notes, watched.status.shards) == (
            (f"{NAME}: no such name",),
            3,
        )
        name_server.kill()
        watched.wait(lambda: watched.status.state == FAILED, "a failed read")
        name_server.set_services(())
        watched.wait(lambda: watched.status.state == OK, "a successful read")
        name_server.set_hosts({"redis": HOSTS[:2]})
        watched.wait_for_reads(4)
        assert watched.up == {first, second, third}  # it replies, so it is held for 600 s
        assert all(sample >= {first, second} for sample in watched.samples)
        at = watched.samples.index({first, second, third})
        assert all(sample == {first, second, third} for sample in watched.samples[at:])
        servers[2].kill()
        watched.wait(
            lambda: third not in watched.publisher.get_live_shard_ids(), "the end of a dead shard"
        )
        assert watched.up == {first, second}
