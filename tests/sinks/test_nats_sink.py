"""A sink between a real daemon and a real server of NATS."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from tests.cli.running import QUICK
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.sinks.following import connected, kill, options, reading, running, stored_events, until
from tests.sinks.nats_servers import NatsServer
from tests.spawning import HOST, free_port
from zinfo.client import Client
from zinfo.errors import SinkError
from zinfo.sinks.nats.names import encode
from zinfo.sinks.nats.sink import Sink

_numbers = itertools.count(1)


# nats-py leaves the socket of an attempt to connect open if the server does not answer in time.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def nats_server() -> Iterator[NatsServer]:
    with NatsServer() as running_server:
        yield running_server


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RealServer]:
    with RealServer() as running_server:
        yield running_server


@pytest.fixture(scope="module")
def gone() -> str:
    """A shard that is always down."""
    return f"{HOST}:{free_port()}"


@pytest.fixture(scope="module")
def daemon(redis_server: RealServer, gone: str) -> Iterator[RunningDaemon]:
    with RunningDaemon([redis_server.url, f"redis://{gone}"], environ=QUICK) as running_daemon:
        running_daemon.wait_settled()
        yield running_daemon


@pytest.fixture
def bucket() -> str:
    return f"b{next(_numbers)}"


def test_the_bucket_has_what_the_daemon_has(
    nats_server: NatsServer, redis_server: RealServer, daemon: RunningDaemon, gone: str, bucket: str
) -> None:
    shard = redis_server.ident

    async def run() -> dict[str, Any]:
        async with reading(nats_server.url, bucket) as reader:
            async with running(options(daemon.query, nats_server.url, bucket)):
                await until(reader.complete, "fresh values of all shards")
                assert reader.fresh(shard)
                found = dict(reader.shards.values)
            await until(reader.stale, "the last heartbeat, by which all is stale")
            return found

    found = asyncio.run(run())
    assert found.keys() == {shard, gone}
    assert found[gone]["state"] == "down"
    assert found[gone]["reason"] == "refused"
    assert found[gone]["info"] is None
    with Client(daemon.query) as client:
        info = client.get_infos([shard])[0]
        epoch = client.hello()["epoch"]
    assert found[shard]["info"].keys() == info.keys() - {"meta"}
    assert found[shard]["info"]["run_id"] == info["run_id"]
    assert found[shard]["epoch"] == epoch
    assert found[shard]["revision"] > 0


def test_what_a_silent_daemon_has_is_stale_until_it_answers(
    nats_server: NatsServer, redis_server: RealServer, daemon: RunningDaemon, bucket: str
) -> None:
    async def run() -> None:
        async with (
            reading(nats_server.url, bucket) as reader,
            running(options(daemon.query, nats_server.url, bucket)),
        ):
            await until(lambda: reader.fresh(redis_server.ident), "a fresh value")
            daemon.suspend()
            try:
                await until(reader.stale, "stale values")
            finally:
                daemon.resume()
            await until(reader.complete, "fresh values again")

    asyncio.run(run())


def test_a_sink_that_died_is_noticed_and_its_successor_writes_only_what_changed(
    nats_server: NatsServer, daemon: RunningDaemon, gone: str, bucket: str
) -> None:
    async def run() -> None:
        made = options(daemon.query, nats_server.url, bucket)
        async with reading(nats_server.url, bucket) as reader, connected(nats_server.url) as client:
            task = asyncio.create_task(Sink(made).run(asyncio.Event()))
            await until(reader.complete, "fresh values")
            await kill(task)
            await until(reader.stale, "stale values after three intervals")
            values = await client.jetstream().key_value(bucket)
            before = await values.get(f"shard.{encode(gone)}")
            async with running(made) as sink:
                await until(reader.complete, "fresh values of the second run")
                assert sink.counters.unchanged
                after = await values.get(f"shard.{encode(gone)}")
                assert after.revision == before.revision, "it was not written again"

    asyncio.run(run())


def test_a_daemon_that_starts_again_has_another_epoch_and_all_is_written(
    nats_server: NatsServer, redis_server: RealServer, gone: str, bucket: str
) -> None:
    async def run(own: RunningDaemon) -> None:
        async with (
            reading(nats_server.url, bucket) as reader,
            running(options(own.query, nats_server.url, bucket)),
        ):
            await until(reader.complete, "fresh values")
            epoch = reader.shards.values[gone]["epoch"]
            await asyncio.to_thread(own.restart)
            await until(
                lambda: (
                    reader.complete()
                    and all(value["epoch"] != epoch for value in reader.shards.values.values())
                ),
                "values of the new epoch",
            )

    with RunningDaemon([redis_server.url, f"redis://{gone}"], environ=QUICK) as own:
        asyncio.run(run(own))


def test_a_removed_shard_is_deleted_also_if_it_was_removed_while_no_sink_ran(
    nats_server: NatsServer, redis_server: RealServer, bucket: str
) -> None:
    others = [f"{HOST}:{free_port()}" for _ in range(2)]

    def config(count: int) -> str:
        urls = [redis_server.url, *(f"redis://{other}" for other in others[:count])]
        return "".join(f'[[shards]]\nurl = "{url}"\n' for url in urls)

    def set_shards(count: int) -> None:
        own.config_path.write_text(config(count), encoding="utf-8")
        own.signal(signal.SIGHUP)

    async def run() -> None:
        made = options(own.query, nats_server.url, bucket)
        async with reading(nats_server.url, bucket) as reader:
            values = reader.shards.values
            async with running(made):
                await until(lambda: reader.complete() and len(values) == 3, "three shards")
                set_shards(1)
                await until(lambda: reader.complete() and len(values) == 2, "two shards")
                assert others[1] not in values
            set_shards(0)
            with Client(own.query) as client:
                await until(lambda: len(client.shards()) == 1, "the daemon to remove the other")
            assert others[0] in values
            async with running(made):
                await until(lambda: reader.complete() and len(values) == 1, "one shard")

    with RunningDaemon(config_text=config(2), environ=QUICK) as own:
        own.wait_settled()
        asyncio.run(run())


def test_deltas_follow_from_a_value_of_the_bucket(
    nats_server: NatsServer, redis_server: RealServer, daemon: RunningDaemon, bucket: str
) -> None:
    shard = redis_server.ident

    async def run() -> None:
        async with connected(nats_server.url) as client:
            received: list[Any] = []

            async def on_delta(message: Any) -> None:
                received.append(message)

            await client.subscribe(f"{bucket}.delta.*", cb=on_delta)
            async with (
                reading(nats_server.url, bucket) as reader,
                running(options(daemon.query, nats_server.url, bucket)),
            ):
                await until(lambda: reader.fresh(shard), "a fresh value")
                held = reader.shards.values[shard]
                number = held["revision"]
                await until(
                    lambda: received and int(received[-1].headers["Zinfo-Revision"]) > number,
                    "a delta after it",
                )
                newest = received[-1]
                await until(
                    lambda: (
                        reader.shards.values[shard]["revision"]
                        >= int(newest.headers["Zinfo-Revision"])
                    ),
                    "the value with the delta",
                )
        info, revision = dict(held["info"]), held["revision"]
        for message in received:
            delta = msgpack.unpackb(message.data)
            assert message.subject == f"{bucket}.delta.{encode(shard)}"
            assert message.headers["Zinfo-Epoch"] == str(held["epoch"])
            assert message.headers["Zinfo-Base"] == str(delta["base"])
            if delta["revision"] <= revision:
                continue
            assert delta["base"] == revision
            revision = delta["revision"]
            info.update(delta["set"])
            for name in delta["unset"]:
                del info[name]
        assert revision > held["revision"]
        assert info["uptime_in_seconds"] >= held["info"]["uptime_in_seconds"]

    asyncio.run(run())


def test_each_event_is_stored_once_in_its_order_also_those_while_no_sink_ran(
    nats_server: NatsServer, gone: str, bucket: str
) -> None:
    async def run(own: RunningDaemon, server: RealServer) -> None:
        made = options(own.query, nats_server.url, bucket)
        async with connected(nats_server.url) as client:

            async def stored(*types: str) -> list[dict[str, Any]]:
                found: list[dict[str, Any]] = []
                for _ in range(600):
                    found = await stored_events(client, bucket)
                    if [one["type"] for one in found if one["shard"] == server.ident] == [*types]:
                        return found
                    await asyncio.sleep(0.05)
                raise AssertionError(f"waited for {types}: {found}")

            async with running(made):
                await stored("added", "up")
                await asyncio.to_thread(server.kill)
                await stored("added", "up", "down")
            await asyncio.to_thread(server.start)
            with Client(own.query) as daemon_client:
                await until(
                    lambda: daemon_client.events().events[-1].type in ("restarted", "up"), "up"
                )
            async with running(made):
                found = await stored("added", "up", "down", "up", "restarted")
            epochs = {one["epoch"] for one in found}
            assert len(epochs) == 1
            numbers = [one["number"] for one in found]
            assert numbers == sorted(set(numbers))
            await asyncio.to_thread(own.restart)
            async with running(made):
                found = await stored("added", "up", "down", "up", "restarted", "added", "up")
            assert len({one["epoch"] for one in found}) == 2

    with RealServer() as server, RunningDaemon([server.url], environ=QUICK) as own:
        own.wait_settled()
        asyncio.run(run(own, server))


def test_a_second_sink_of_the_same_name_waits_for_the_first_one_to_end(
    nats_server: NatsServer, daemon: RunningDaemon, bucket: str
) -> None:
    async def run() -> None:
        made = options(daemon.query, nats_server.url, bucket)
        stop = asyncio.Event()
        async with running(made) as first:
            second = Sink(made)
            task = asyncio.create_task(second.run(stop))
            beats = first.counters.beats
            await until(lambda: first.counters.beats > beats + 10, "ten heartbeats of the first")
            assert not second.counters.beats
        await until(lambda: second.counters.beats, "a heartbeat of the second")
        stop.set()
        await task

    asyncio.run(run())


def test_of_two_sinks_that_write_the_one_that_started_later_goes_on(
    nats_server: NatsServer, daemon: RunningDaemon, bucket: str
) -> None:
    async def run() -> None:
        made = options(daemon.query, nats_server.url, bucket)
        first = asyncio.create_task(Sink(made).run(asyncio.Event()))
        second = Sink(made)
        await second._connection.open()
        async with reading(nats_server.url, bucket) as reader:
            await until(reader.complete, "fresh values")
            await second._heartbeats.write(second._heartbeat())
            await until(first.done, "the end of the first")
        with pytest.raises(SinkError, match="another sink named zinfo has taken over"):
            first.result()
        await second._connection.client.close()
        await second._source.close()

    asyncio.run(run())


def test_a_value_that_another_program_changed_is_found_by_a_scan_and_written_again(
    nats_server: NatsServer, daemon: RunningDaemon, gone: str, bucket: str
) -> None:
    async def run() -> None:
        async with (
            connected(nats_server.url) as client,
            running(options(daemon.query, nats_server.url, bucket)) as sink,
            reading(nats_server.url, bucket) as reader,
        ):
            await until(reader.complete, "fresh values")
            values = await client.jetstream().key_value(bucket)
            await values.delete(f"shard.{encode(gone)}")
            await until(lambda: gone not in reader.shards.values, "the deleted value")
            await sink._bucket.scan()
            await until(lambda: reader.fresh(gone), "the value again")
            assert sink.counters.repaired == 1

    asyncio.run(run())


def test_two_daemons_with_the_same_shard_give_one_value_that_stays_fresh_without_one_of_them(
    nats_server: NatsServer, redis_server: RealServer, daemon: RunningDaemon, bucket: str
) -> None:
    shard = redis_server.ident

    def sliced(number: int) -> RunningDaemon:
        text = f"[slice]\nnumber = {number}\ncount = 2\ncopies = 2\n"
        text += f'[[shards]]\nurl = "{redis_server.url}"\n'
        return RunningDaemon(config_text=text, environ=QUICK)

    async def run(daemons: list[RunningDaemon]) -> None:
        made = options([one.query for one in daemons], nats_server.url, bucket)
        async with reading(nats_server.url, bucket) as reader, running(made):
            await until(reader.complete, "a fresh value")
            first = reader.shards.values[shard]["epoch"]
            with Client(daemons[0].query) as client:
                followed = 0 if client.hello()["epoch"] == first else 1
            daemons[followed].suspend()
            try:
                await until(
                    lambda: reader.complete() and reader.shards.values[shard]["epoch"] != first,
                    "the copy of the other daemon",
                )
            finally:
                daemons[followed].resume()

    with sliced(0) as one, sliced(1) as other:
        asyncio.run(run([one, other]))


def test_values_are_stale_while_the_server_is_away_and_the_sink_goes_on_when_it_is_back(
    redis_server: RealServer, daemon: RunningDaemon, bucket: str
) -> None:
    async def run(server: NatsServer) -> None:
        made = options(daemon.query, server.url, bucket)
        async with reading(server.url, bucket) as reader, running(made) as sink:
            await until(reader.complete, "fresh values")
            server.kill()
            await until(reader.stale, "stale values")
            await asyncio.to_thread(server.start)
            await until(reader.complete, "fresh values again")
            assert sink.count().reconnects

    with NatsServer() as server:
        asyncio.run(run(server))
