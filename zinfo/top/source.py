"""What a view reads from: a feed, or in tests something like it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from zinfo.top.fleet import Fleet


class Source(Protocol):
    """Holds the model, and knows its time; `zinfo.top.feed.Feed` is one."""

    endpoint: str

    def fleet(self) -> AbstractContextManager[Fleet]:
        """Hold the model for the `with` block."""

    def now(self) -> float:
        """Return the time by the model's clock."""

    def want_sections(self, shard: str) -> None:
        """Have a shard's sections asked for."""
