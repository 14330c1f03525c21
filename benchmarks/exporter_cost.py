"""CPU time to refresh a shard and deliver its INFO, compared with redis_exporter."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection

from benchmarks.delivery import measure_with_subscriber, micros
from benchmarks.exporter import MISSING, PROGRAM, running_exporter
from benchmarks.figures import Figure, Pair, compared
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured

NUMBERS = ("10",)


def run(scale: Scale, _wanted: Collection[str]) -> list[Figure]:
    """Measure the CPU time of polls whose snapshots are delivered, and that of scrapes."""
    if shutil.which(PROGRAM) is None:
        return [Figure("10", skipped=MISSING)]
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        exporter = stack.enter_context(running_exporter())
        interval = scale.interval(scale.shards)
        daemon = start_measured(stack, "zinfo_daemon", servers.urls, scale.shards, interval)
        subscriber = stack.enter_context(
            Worker("raw_subscriber", gevent=False, bus=daemon.started["bus"])
        )
        ours, theirs = [], []
        for number in range(1, scale.rounds + 1):
            ours.append(measure_with_subscriber(daemon, subscriber, "info", scale.seconds))
            theirs.append(exporter.measure(servers.urls, scale.seconds))
            log_progress(
                f"exporter_cost: round {number} of {scale.rounds}: zinfo {micros(ours[-1]):.1f}, "
                f"redis_exporter {micros(theirs[-1]):.1f} us of CPU a shard"
            )
    each = Pair([micros(cost) for cost in ours], [micros(cost) for cost in theirs])
    turns = {"zinfo": ours, "redis_exporter": theirs}
    return [compared("10", each, "us", servers=servers.facts, turns=turns)]


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
