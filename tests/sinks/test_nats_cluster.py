"""Faults of a cluster of three servers: what was acknowledged stays, and what is stale says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.cli.running import QUICK
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.sinks.following import connected, options, reading, running, scan, stored_events, until
from tests.sinks.nats_servers import NatsCluster, NatsServer
from tests.spawning import HOST, free_port
from zinfo.client import Client
from zinfo.sinks.nats.sink import Sink
from zinfo.sinks.nats.streams import Limits

# nats-py leaves the socket of an attempt to connect open if the server does not answer in time.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator[NatsCluster]:
    with NatsCluster() as running_cluster:
        yield running_cluster


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RealServer]:
    with RealServer() as running_server:
        yield running_server


@pytest.fixture(scope="module")
def daemon(redis_server: RealServer) -> Iterator[RunningDaemon]:
    urls = [redis_server.url, f"redis://{HOST}:{free_port()}"]
    with RunningDaemon(urls, environ=QUICK) as running_daemon:
        yield running_daemon


async def _newest_are_there(cluster: NatsCluster, bucket: str, sink: Sink) -> None:
    """Fail if a new reader gets an older value than was acknowledged before."""
    acknowledged = dict(sink._bucket.stored)
    assert acknowledged
    async with reading(cluster.urls, bucket) as late:
        await until(late.complete, "fresh values of a late reader")
        for shard, identity in acknowledged.items():
            value = late.shards.values[shard]
            assert value["epoch"] == identity.epoch
            assert value["revision"] >= identity.revision


def test_faults_lose_nothing_that_was_acknowledged(
    cluster: NatsCluster, redis_server: RealServer, daemon: RunningDaemon
) -> None:
    bucket = "faults"

    async def leader() -> NatsServer:
        return await asyncio.to_thread(cluster.wait_leader, f"KV_{bucket}")

    async def run() -> None:
        made = options(daemon.query, cluster.urls, bucket, limits=Limits(replicas=3))
        async with reading(cluster.urls, bucket) as reader, running(made) as sink:
            await until(reader.complete, "fresh values")

            leading = await leader()  # one that does not lead is killed
            other = next(one for one in cluster.servers if one is not leading)
            other.kill()
            puts = sink.counters.puts
            await until(lambda: sink.counters.puts > puts + 5, "puts without one server")
            await until(reader.complete, "fresh values without one server")
            await _newest_are_there(cluster, bucket, sink)
            await asyncio.to_thread(other.start)

            (await leader()).kill()
            await until(reader.stale, "stale values without a leader")
            await asyncio.to_thread(redis_server.kill)  # its events wait for a leader
            await until(lambda: reader.fresh(redis_server.ident), "fresh values of a new leader")
            await until(
                lambda: reader.shards.values[redis_server.ident]["state"] == "down", "the state"
            )
            await _newest_are_there(cluster, bucket, sink)
            assert sink.counters.failures
            await asyncio.to_thread(redis_server.start)
            for server in cluster.servers:
                if not server.running:
                    await asyncio.to_thread(server.start)

            stopped = await leader()  # the same as cutting it off
            stopped.suspend()
            try:
                await until(reader.stale, "stale values while the leader is cut off")
                await until(reader.complete, "fresh values of another leader", timeout=90.0)
                await _newest_are_there(cluster, bucket, sink)
            finally:
                stopped.resume()
            await until(reader.complete, "fresh values after it is back")
            await scan(sink)
            await until(reader.complete, "fresh values after the comparison")
            await _newest_are_there(cluster, bucket, sink)

            with Client(daemon.query) as client:
                known = client.events().events
            async with connected(cluster.urls) as client_:
                found = await stored_events(client_, bucket, until=known[-1].number)
            numbers = [one["number"] for one in found]
            assert numbers[: len(known)] == [one.number for one in known], "once, in their order"

    asyncio.run(run())


@pytest.mark.slow
def test_with_one_server_of_three_nothing_is_written_and_all_is_stale(
    cluster: NatsCluster, daemon: RunningDaemon
) -> None:
    async def run() -> None:
        made = options(daemon.query, cluster.urls, "two", limits=Limits(replicas=3))
        async with reading(cluster.urls, "two") as reader, running(made) as sink:
            await until(reader.complete, "fresh values")
            for server in cluster.servers[:2]:
                server.kill()
            await until(reader.stale, "stale values")
            beats = sink.counters.beats
            failures = sink.counters.failures
            await until(lambda: sink.counters.failures > failures + 3, "failed writes")
            assert sink.counters.beats == beats
            assert reader.stale()
            for server in cluster.servers[:2]:
                await asyncio.to_thread(server.start)
            await until(reader.complete, "fresh values again", timeout=60.0)
            await _newest_are_there(cluster, "two", sink)

    asyncio.run(run())
