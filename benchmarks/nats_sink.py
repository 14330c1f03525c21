"""What `zinfo sink nats` costs: compared with a Mirror alone, and how soon a late reader has all.

A daemon with recorded replies sends the same number of deltas, evenly at a rate, to a Mirror and to
a sink. The sink writes into one nats-server of this machine. Then a reader that joins late gets all
values from the bucket, and a Mirror gets them from the daemon.

Prints one line for each round, and the medians; with --json, one object. Every figure is CPU time
(user and system) of a process, unless it says otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import msgpack
import nats
import psutil

from benchmarks.mirror_feed import feed
from benchmarks.progress import log_progress
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker
from tests.sinks.nats_servers import NatsServer
from tests.waiting import wait_until
from zinfo.sinks.nats.names import Names
from zinfo.sinks.nats.streams import stored_values

_TIMEOUT = 180.0  # seconds for one step


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=5_000.0, help="deltas a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pause", type=float, default=1.0, help="--pause of the sink")
    parser.add_argument("--smoke", action="store_true", help="little work, to see that it works")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.smoke:
        given.shards, given.rate, given.seconds, given.rounds = 100, 500.0, 1.0, 1
    rounds = measure(given)
    numbers = [name for name, value in rounds[0].items() if isinstance(value, float)]
    medians = {name: median(one[name] for one in rounds) for name in numbers}
    if given.json:
        print(json.dumps({"rounds": rounds, "medians": medians}))
    else:
        for name, value in medians.items():
            print(f"{name:32} {value:12.1f}")
    return 0


def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all rounds; returns the figures of each."""
    rounds = []
    deltas = int(given.rate * given.seconds)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=given.shards))
        feeder = stack.enter_context(
            Worker("feeding_daemon", urls=servers.urls, shards=given.shards, interval=1.0)
        )
        feeder.call("record", messages=min(deltas, 5_000))
        mirror = stack.enter_context(Worker("mirror", gevent=False))
        server = stack.enter_context(NatsServer())
        for number in range(1, given.rounds + 1):
            endpoint = feeder.started["query"]
            joined = mirror.call("join", endpoint=endpoint)
            alone = feed(feeder, mirror, deltas, given.seconds)
            mirror.call("leave")
            with sink(endpoint, server, given.pause, f"b{number}") as process:
                figures = _fed_sink(feeder, server, process, deltas, given.seconds, f"b{number}")
                late = asyncio.run(_late_reader(server.url, f"b{number}"))
            figures |= {
                "mirror, us a delta": 1e6 * alone["cpu"] / deltas,
                "late Mirror, ms": 1e3 * joined["wall"],
                "late reader, ms": 1e3 * late["seconds"],
                "late reader, CPU ms": 1e3 * late["cpu"],
            }
            log_progress(f"round {number}: {figures}")
            rounds.append(figures)
    return rounds


@contextlib.contextmanager
def sink(endpoint: str, server: NatsServer, pause: float, bucket: str) -> Iterator[psutil.Process]:
    """Run a sink until the end of the `with` block."""
    command = [sys.executable, "-m", "zinfo", "sink", "nats", "--connect", endpoint]
    command += ["--servers", server.url, "--bucket", bucket, f"--stream={bucket}-events"]
    command += [f"--prefix={bucket}", f"--pause={pause}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _fed_sink(
    feeder: Worker,
    server: NatsServer,
    process: psutil.Process,
    deltas: int,
    seconds: float,
    bucket: str,
) -> dict[str, Any]:
    """Let a sink write all shards, then a number of deltas; return what it cost."""
    began = time.monotonic()
    _wait_written(server, bucket, feeder.call("revisions"))
    filled = time.monotonic() - began
    feeder.call("make", polls=deltas)
    wanted = feeder.call("revisions")
    broker = psutil.Process(server.pid)
    before, messages = _cpu(process), _messages(server, bucket)
    broker_before, began = _cpu(broker), time.monotonic()
    feeder.call("send", seconds=seconds)
    _wait_written(server, bucket, wanted)
    lasted = time.monotonic() - began
    values = _messages(server, bucket) - messages
    return {
        "sink, us a delta": 1e6 * (_cpu(process) - before) / deltas,
        "nats-server, us a delta": 1e6 * (_cpu(broker) - broker_before) / deltas,
        "values written a second": values / lasted,
        "values a delta": values / deltas,
        "first fill, s": filled,
        "end of writing after sending, s": lasted - seconds,
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _messages(server: NatsServer, bucket: str) -> int:
    """Return the sequence of the newest value in the bucket, heartbeats included."""
    stream = server.streams().get(f"KV_{bucket}", {})
    return int(stream.get("state", {}).get("last_seq", 0))


def _wait_written(server: NatsServer, bucket: str, revisions: dict[str, int]) -> None:
    """Wait until the bucket has a revision of each shard, by the headers."""

    def written() -> bool:
        found = asyncio.run(_revisions(server.url, bucket))
        return all(found.get(shard, 0) >= revision for shard, revision in revisions.items())

    wait_until(written, _TIMEOUT, "the bucket to have all revisions", sleep=lambda _: time.sleep(1))


async def _revisions(url: str, bucket: str) -> dict[str, int]:
    client = await nats.connect(url)
    found: dict[str, int] = {}
    try:
        async for value in stored_values(client.jetstream(), Names(bucket=bucket)):
            if value.identity is not None:
                found[value.shard] = value.identity.revision
    except nats.errors.Error:  # there is no bucket yet
        return {}
    finally:
        await client.close()
    return found


async def _late_reader(url: str, bucket: str) -> dict[str, float]:
    """Watch the bucket and decode all values; return wall and CPU seconds."""
    began, cpu = time.monotonic(), time.process_time()
    client = await nats.connect(url)
    values: dict[str, Any] = {}
    watcher = await (await client.jetstream().key_value(bucket)).watchall()
    while (entry := await watcher.updates(timeout=30)) is not None:
        values[entry.key] = msgpack.unpackb(entry.value)
    done = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    await client.close()
    return done


if __name__ == "__main__":
    sys.exit(main())
