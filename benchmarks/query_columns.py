"""Time of a query for five fields of all of 10,000 shards, by column."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from statistics import median
from typing import Any

from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured
from zinfo.client import Client

NUMBERS = ("8c",)

_KEYS = (
    "used_memory",
    "connected_clients",
    "instantaneous_ops_per_sec",
    "keyspace_hits",
    "mem_fragmentation_ratio",
)
_INTERVAL = 2.0  # seconds between two polls of a shard
_QUERIES = 5  # in a round
_PAUSE = 0.3  # seconds between two queries; part of the shards are polled again meanwhile


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the time from a query to its decoded reply, while all shards are polled."""
    figures = FigureList(wanted)
    times, rounds = [], []
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.many))
        log_progress(f"query_columns: starting {scale.many} shards")
        daemon = start_measured(stack, "timed_daemon", servers.urls, scale.many, _INTERVAL)
        client = stack.enter_context(Client(daemon.started["query"], timeout=30))
        _query(client, daemon, scale.many)  # the client knows the ids then
        for number in range(1, scale.rounds + 1):
            queries = []
            for _ in range(_QUERIES):
                time.sleep(_PAUSE)  # part of the method
                queries.append(_query(client, daemon, scale.many))
            times.append(median(each["ms"] for each in queries))
            rounds.append(queries)
            log_progress(f"query_columns: round {number} of {scale.rounds}: {times[-1]:.1f} ms")
        figures.add("8c", times, {"rounds": rounds, "servers": servers.facts})
    return figures.all


def _query(client: Client, daemon: Worker, shards: int) -> dict[str, Any]:
    cpu, own, began = daemon.cpu(), time.process_time(), time.monotonic()
    columns = client.get_columns(_KEYS)
    taken, own = time.monotonic() - began, time.process_time() - own
    cpu = daemon.cpu() - cpu
    for key in _KEYS:
        if len(columns[key].values) != shards or columns[key].valid is not None:
            raise RuntimeError(f"the column {key} does not have {shards} values")
    return {"ms": 1000 * taken, "daemon": 1000 * cpu, "client": 1000 * own}


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
