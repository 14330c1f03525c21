"""The shards that a daemon watches, again and again: was one of them dropped, even for a moment?"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from tests.daemons import RunningDaemon

SAMPLE_INTERVAL = 0.2
"""Seconds between two samples of the watched shards."""


class Watched:
    """The shards of a daemon, again and again, with their states and labels."""

    def __init__(self, daemon: RunningDaemon) -> None:
        self.samples: list[dict[str, tuple[str, dict[str, str]]]] = []
        self._daemon = daemon
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_INTERVAL):
            body = self._daemon.ask("shards").body
            assert isinstance(body, list)
            self.samples.append({one["id"]: (one["state"], one["labels"]) for one in body})

    @contextlib.contextmanager
    def sampling(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def state(self, ident: str) -> str:
        return self.samples[-1].get(ident, ("absent", {}))[0]

    def group(self, ident: str) -> str:
        return self.samples[-1].get(ident, ("absent", {}))[1].get("group", "")
