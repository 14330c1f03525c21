"""CPU time of a scrape for each shard, compared with redis_exporter."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Collection
from typing import Any

from benchmarks.exporter import MISSING, PROGRAM, running_exporter
from benchmarks.figures import Figure, Pair, compared
from benchmarks.progress import log_progress
from benchmarks.scraping import scrape
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured

NUMBERS = ("h3", "h4")

_ENCODINGS = {"h3": "gzip", "h4": "identity"}
_RATE = 5000  # polls a second between two scrapes
_SCRAPES = 2  # of zinfo in a round; redis_exporter is scraped for the length of a round


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure scrapes of all shards of zinfo, and as many by redis_exporter as fit into a round.

    zinfo does not poll during a scrape, and polls each shard between two scrapes.
    """
    if shutil.which(PROGRAM) is None:
        return [Figure(number, skipped=MISSING) for number in wanted]
    pairs = {number: Pair() for number in wanted}
    turns: dict[str, list[Any]] = {number: [] for number in wanted}
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        exporter = stack.enter_context(running_exporter())
        interval = scale.shards / _RATE
        daemon = start_measured(stack, "http_daemon", servers.urls, scale.shards, interval)
        daemon.call("pause")
        for number in range(1, scale.rounds + 1):
            for target in wanted:
                ours = _scrapes(daemon, scale.shards, interval, _ENCODINGS[target])
                theirs = exporter.measure(servers.urls, scale.seconds, _ENCODINGS[target])
                turns[target].append({"zinfo": ours, "redis_exporter": theirs})
                mine = min(1e6 * each["cpu"] / scale.shards for each in ours)
                other = 1e6 * theirs["cpu"] / theirs["polls"]
                pairs[target].ours.append(mine)
                pairs[target].theirs.append(other)
                log_progress(
                    f"scrape_cost: round {number} of {scale.rounds}, {_ENCODINGS[target]}: "
                    f"zinfo {mine:.1f}, redis_exporter {other:.1f} us of CPU a shard"
                )
    return [
        compared(number, pairs[number], "us", servers=servers.facts, turns=turns[number])
        for number in wanted
    ]


def _scrapes(daemon: Worker, shards: int, interval: float, encoding: str) -> list[dict[str, float]]:
    scrapes = []
    for _ in range(_SCRAPES):
        daemon.call("resume")
        time.sleep(interval)  # part of the method: each shard is polled again
        daemon.call("pause")
        scrapes.append(scrape(daemon, shards, encoding))
    return scrapes


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
