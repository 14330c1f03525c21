"""Looks at a Fleet every 50 ms: is each shard fresh, or said to be stale?"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from typing_extensions import Self

from zinfo.client import Fleet

INTERVAL = 0.05
"""Seconds between two looks."""


class Observer:
    """A thread that looks at a Fleet; a context manager.

    Args:
        fleet: the Fleet, which is ready.
        shards: ids of the shards that exist.

    Attributes:
        looks: number of looks.
        silent: what was wrong: a shard was neither fresh nor said to be stale.
        longest: seconds in which a shard was not fresh, at most, since `begin_phase`.
    """

    def __init__(self, fleet: Fleet, shards: Collection[str]) -> None:
        self.looks = 0
        self.silent: list[str] = []
        self.longest = 0.0
        self._fleet = fleet
        self._shards = list(shards)
        self._fresh_at = dict.fromkeys(self._shards, time.monotonic())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def begin_phase(self) -> None:
        """Measure `longest` from now on."""
        self._fresh_at = dict.fromkeys(self._shards, time.monotonic())
        self.longest = 0.0

    def _run(self) -> None:
        while not self._over.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        with self._fleet._mirrors.copies() as copies:  # all of the same moment
            stale, stale_shards = copies.stale(), copies.stale_shards()
            fresh = {shard for shard in self._shards if copies.has(shard) and copies.fresh(shard)}
        now = time.monotonic()
        self.looks += 1
        for shard in self._shards:
            if shard in fresh:
                self._fresh_at[shard] = now
            elif not stale and shard not in stale_shards:
                self.silent.append(f"{shard} at look {self.looks}")
            self.longest = max(self.longest, now - self._fresh_at[shard])
