"""Memory of a shard after many polls, with and without a history, compared with a plain poller."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from benchmarks.cores import Cores
from benchmarks.figures import Figure, FigureList, Pair, compared
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker

NUMBERS = ("11", "11b", "11c")

_SAMPLES = 5  # memory samples of each process, which show whether it grows
_PLAIN_DIVISOR = 24  # the plain poller polls this much less often: else it would take 20 minutes


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the memory of a process with many shards, divided by their number."""
    shards = scale.shards
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=shards))
        log_progress(f"memory: {servers.facts}")
        options: dict[str, Any] = {"urls": servers.urls, "shards": shards, "interval": 0}
        # All at the same time and on any core, because no time is measured.
        workers = {
            worker: -(-scale.polls // part)
            for worker, part in (
                (Worker("zinfo_daemon", cores=Cores.ANY, **options), 1),
                (Worker("daemon_without_history", cores=Cores.ANY, **options), 1),
                (Worker("plain_poller", cores=Cores.ANY, **options), _PLAIN_DIVISOR),
            )
        }
        for worker in workers:
            stack.enter_context(worker)
        samples: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in workers}
        for sample in range(1, _SAMPLES + 1):
            for worker, polls in workers.items():
                worker.send("poll_until", polls=shards * polls * sample // _SAMPLES)
            for worker in workers:
                seen = worker.wait()
                seen["memory_a_shard"] = (seen["memory"] - seen["memory_before"]) / shards
                samples[worker.name].append(seen)
                each = seen["memory_a_shard"] / 1024
                log_progress(
                    f"memory: {worker.name}, {seen['polls'] // shards} polls each: {each:.1f} KB"
                )
    zinfo, without, plain = (samples[one.name][-1]["memory_a_shard"] / 1024 for one in workers)
    facts: dict[str, Any] = {"servers": servers.facts, "shards": shards}
    found = FigureList(wanted)
    found.all += [
        compared(number, Pair([ours], [plain]), "KB", **facts, looks=samples)
        for number, ours in (("11", without), ("11b", zinfo))
        if number in wanted
    ]
    found.add("11c", zinfo - without, facts)
    return found.all


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
