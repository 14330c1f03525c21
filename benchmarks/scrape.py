"""Duration of a scrape of all shards, and the delay of polls meanwhile."""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Collection
from urllib.request import Request, urlopen

from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker, start_measured

NUMBERS = ("h1", "h2")

_INTERVAL = 1.0  # seconds between two polls of a shard
_SCRAPES = 5
_PAUSE = 0.5  # seconds between two of them


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure scrapes of zinfo, compressed as Prometheus requests them."""
    figures = FigureList(wanted)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        daemon = start_measured(stack, "http_daemon", servers.urls, scale.shards, _INTERVAL)
        daemon.call("observe", seconds=2 * _INTERVAL)
        daemon.call("reset")
        scrapes = []
        for _ in range(_SCRAPES):
            time.sleep(_PAUSE)
            scrapes.append(_scrape(daemon, scale.shards))
            log_progress(f"scrape: {scrapes[-1]}")
        figures.add("h1", max(each["seconds"] for each in scrapes), {"scrapes": scrapes})
        late = daemon.call("report")
        figures.add("h2", late["max"], late)
    return figures.all


def _scrape(daemon: Worker, shards: int) -> dict[str, float]:
    cpu, began = daemon.cpu(), time.monotonic()
    request = Request(f"{daemon.started['http']}metrics", headers={"Accept-Encoding": "gzip"})
    with urlopen(request, timeout=60) as response:
        zipped = response.read()
    taken = time.monotonic() - began
    cpu = daemon.cpu() - cpu
    text = gzip.decompress(zipped)
    if text.count(b"\nredis_up{") != shards:
        raise RuntimeError("not all shards are in the scrape")
    return {"seconds": taken, "cpu": cpu, "bytes": len(text), "zipped": len(zipped)}


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
