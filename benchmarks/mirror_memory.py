"""Memory of a Mirror of 10,000 shards."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from benchmarks.cores import Cores
from benchmarks.figures import Figure, FigureList
from benchmarks.mirror_feed import check, feed
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker

NUMBERS = ("m4",)

_DELTAS = 5  # for each shard, before memory is measured
_RATE = 5000  # deltas a second


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the memory after some deltas, none of which was read."""
    figures = FigureList(wanted)
    shards, deltas = scale.many, _DELTAS * scale.many
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=shards))
        log_progress(f"mirror_memory: starting {shards} shards")
        interval = scale.interval(shards)
        feeder = stack.enter_context(
            Worker("feeding_daemon", urls=servers.urls, shards=shards, interval=interval)
        )
        feeder.call("record", messages=2 * shards)
        mirror = stack.enter_context(Worker("mirror", gevent=False, cores=Cores.ANY))
        joined = mirror.call("join", endpoint=feeder.started["query"])
        followed = feed(feeder, mirror, deltas, deltas / _RATE)
        looked = check(mirror)
        kilobytes = {
            name: (each["memory"] - joined["before"]) / shards / 1024
            for name, each in (("joined", joined), ("followed", followed), ("looked at", looked))
        }
        log_progress(f"mirror_memory: KB a shard: {kilobytes}")
        detail = {"KB": kilobytes, "joined": joined, "followed": followed, "looked": looked}
        figures.add("m4", kilobytes["followed"], {**detail, "servers": servers.facts})
    return figures.all


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
