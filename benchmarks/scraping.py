"""One scrape of a daemon by HTTP, and what it cost the daemon."""

from __future__ import annotations

import gzip
import time
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.worker import Worker

_TIMEOUT = 120  # seconds for one scrape


def scrape(daemon: Worker, shards: int, encoding: str = "gzip") -> dict[str, Any]:
    """Scrape `/metrics` of an `http_daemon`, and return the seconds and bytes that it took.

    Args:
        daemon: The worker.
        shards: Number of shards, all of which must be in the reply and be up.
        encoding: Content coding that is accepted: "gzip" or "identity".

    Raises:
        RuntimeError: A shard is missing, or the reply has another coding.
    """
    headers = {"Accept-Encoding": encoding}
    request = Request(f"{daemon.started['http']}metrics", headers=headers)
    cpu, began = daemon.cpu(), time.monotonic()
    with urlopen(request, timeout=_TIMEOUT) as response:
        sent = response.read()
    taken = time.monotonic() - began
    cpu = daemon.cpu() - cpu
    if response.headers.get("Content-Encoding", "identity") != encoding:
        raise RuntimeError(f"the daemon does not compress by {encoding}")
    text = gzip.decompress(sent) if encoding == "gzip" else sent
    if text.count(b"\nredis_up{") != shards:
        raise RuntimeError("not all shards are in the scrape")
    return {"seconds": taken, "cpu": cpu, "bytes": len(text), "sent": len(sent)}
