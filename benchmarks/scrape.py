"""How long does a scrape of all shards take, and what does it delay?"""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Collection
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.cores import Cores
from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.worker import Worker

NUMBERS = ("h1", "h2")

_INTERVAL = 1.0  # seconds between two polls of a shard
_SCRAPES = 5
_PAUSE = 0.5  # seconds between two of them


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure scrapes of zinfo, compressed as Prometheus asks for them."""
    figures = FigureList(wanted)
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        options: dict[str, Any] = {"urls": servers.urls, "shards": scale.shards}
        daemon = stack.enter_context(
            Worker("http_daemon", cores=Cores.MEASURED, interval=_INTERVAL, **options)
        )
        daemon.call("observe", seconds=2 * _INTERVAL)
        daemon.call("reset")
        looks = []
        for _ in range(_SCRAPES):
            time.sleep(_PAUSE)
            looks.append(_scrape(daemon, scale.shards))
            log_progress(f"scrape: {looks[-1]}")
        figures.add("h1", max(look["seconds"] for look in looks), {"scrapes": looks})
        late = daemon.call("report")
        figures.add("h2", late["max"], late)
    return figures.all


def _scrape(daemon: Worker, shards: int) -> dict[str, float]:
    cpu, began = daemon.cpu(), time.monotonic()
    question = Request(f"{daemon.started['http']}metrics", headers={"Accept-Encoding": "gzip"})
    with urlopen(question, timeout=60) as answer:
        zipped = answer.read()
    taken = time.monotonic() - began
    cpu = daemon.cpu() - cpu
    text = gzip.decompress(zipped)
    if text.count(b"\nredis_up{") != shards:
        raise RuntimeError("not all shards are in the scrape")
    return {"seconds": taken, "cpu": cpu, "bytes": len(text), "zipped": len(zipped)}


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
