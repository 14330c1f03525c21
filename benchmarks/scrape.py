"""Duration of a scrape of all shards, and the delay of polls meanwhile."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection

from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.scraping import scrape
from benchmarks.script import Scale, main
from benchmarks.servers import Servers, loaded_servers
from benchmarks.worker import start_measured

NUMBERS = ("h1", "h2", "h5", "h6")

_INTERVAL = 1.0  # seconds between two polls of one of 1,000 shards
_LONG_INTERVAL = 2.0  # of one of 10,000
_PAUSE = 0.5  # seconds between two of them


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure scrapes of zinfo, compressed as Prometheus requests them."""
    figures = FigureList(wanted)
    with loaded_servers(shards=scale.many) as servers:
        if {"h1", "h2"}.intersection(wanted):
            _measure(figures, servers, scale.rounds, scale.shards, _INTERVAL, ("h1", "h2"))
        if {"h5", "h6"}.intersection(wanted):
            _measure(figures, servers, scale.rounds, scale.many, _LONG_INTERVAL, ("h5", "h6"))
    return figures.all


def _measure(
    figures: FigureList,
    servers: Servers,
    scrapes: int,
    shards: int,
    interval: float,
    numbers: tuple[str, str],
) -> None:
    """Scrape a few times; the figures are the longest scrape and the latest poll."""
    with contextlib.ExitStack() as stack:
        daemon = start_measured(stack, "http_daemon", servers.urls, shards, interval)
        quiet = daemon.call("observe", seconds=interval)
        daemon.call("reset")
        taken = []
        for _ in range(scrapes):
            time.sleep(_PAUSE)
            taken.append(scrape(daemon, shards))
            log_progress(f"scrape of {shards} shards: {taken[-1]}")
        late = daemon.call("report")
        longest, latest = numbers
        figures.add(longest, max(each["seconds"] for each in taken), {"scrapes": taken})
        figures.add(latest, late["max"], {**late, "without_scrapes": quiet})


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
