"""A Mirror in a process of its own, which counts what it costs to follow a daemon."""

from __future__ import annotations

import random
import time
from typing import Any

from benchmarks.worker_loop import Meter, memory, serve_commands_blocking
from zinfo.client import Client, Delta, Mirror
from zinfo.client.updates import Change

_CHECK_INTERVAL = 0.01  # seconds between two looks at the revisions
_SAMPLE = 20  # shards that are compared with the daemon's


class MirrorWorker:
    """One Mirror at a time."""

    def __init__(self) -> None:
        self._mirror: Mirror | None = None
        self._endpoint = ""
        self._heard = 0

    def start(self) -> None:
        """Do nothing: `join` connects."""

    def join(self, endpoint: str, listen: str = "") -> dict[str, Any]:
        """Connect a new Mirror of all shards, and wait until it is current.

        Args:
            endpoint: The daemon's query endpoint.
            listen: Field whose changes are counted; "" for no listener.

        Returns:
            Seconds of CPU and wall time until it was current, and memory before and after.
        """
        before, meter = memory()["memory"], Meter()
        self._endpoint, self._heard = endpoint, 0
        self._mirror = mirror = Mirror(endpoint)
        if listen:
            self._listen(mirror, listen)
        mirror.wait_ready(120)
        return {"before": before, "shards": len(mirror), **meter.read()}

    def leave(self) -> None:
        """Close the Mirror."""
        assert self._mirror is not None
        self._mirror.close()
        self._mirror = None

    def follow(self, revisions: dict[str, int], seconds: float) -> dict[str, Any]:
        """Wait until every shard has this revision, and return the cost.

        Args:
            revisions: Revision by shard.
            seconds: Longest time.

        Returns:
            The cost, the end by the monotonic clock, the number of calls of the listener, and
            whether all was received, without a sign of loss.
        """
        assert self._mirror is not None
        mirror, before, heard = self._mirror, dict(self._mirror.counters), self._heard
        until, meter = time.monotonic() + seconds, Meter()
        missing = list(revisions)
        while missing and time.monotonic() < until:
            time.sleep(_CHECK_INTERVAL)
            # Only the first shard that lacks something is looked at, so that looking costs little.
            while missing and mirror.revision(missing[-1]) >= revisions[missing[-1]]:
                missing.pop()
        at, cost = time.monotonic(), meter.read()
        return {
            **cost,
            "at": at,
            "heard": self._heard - heard,
            "missing": len(missing),
            "counters": {
                name: count - before[name]
                for name, count in mirror.counters.items()
                if isinstance(count, int)
            },
        }

    def look(self) -> dict[str, Any]:
        """Read all fields of all shards, and compare some shards with the daemon's.

        Returns:
            The cost of reading, and the number of shards that differ.
        """
        assert self._mirror is not None
        mirror, meter = self._mirror, Meter()
        for shard in mirror:
            mirror.view(shard)
        cost = meter.read()
        chosen = random.sample(list(mirror), min(_SAMPLE, len(mirror)))
        with Client(self._endpoint, timeout=60) as client:
            entries = {entry["shard"]: entry for entry in client.snapshot(chosen)}
        wrong = sum(mirror[shard] != entries[shard]["info"] for shard in chosen)
        return {**cost, "compared": len(chosen), "wrong": wrong}

    def _listen(self, mirror: Mirror, field: str) -> None:
        def count(_shard: str, change: Change) -> None:
            self._heard += isinstance(change, Delta) and field in change.set

        mirror.on_change(count, fields=[field])


if __name__ == "__main__":
    worker = MirrorWorker()
    serve_commands_blocking(
        {name: getattr(worker, name) for name in ("start", "join", "leave", "follow", "look")}
    )
