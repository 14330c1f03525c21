"""The interface between a view and what fills the model: a feed, or a stand-in in tests."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Protocol

from zinfo.top.model import TopModel


class Source(Protocol):
    """Owns the model and its clock; `zinfo.top.feed.Feed` is one."""

    endpoint: str

    def locked(self) -> AbstractContextManager[TopModel]:
        """Lock the model for the `with` block. This keeps it up to date for the next seconds."""

    def now(self) -> float:
        """Return the time by the model's clock."""

    def want(self, view: str, fields: Collection[str]) -> None:
        """Have fields of INFO read of all shards, for `Row.info` and `Row.rates`.

        New ones are read at once, without waiting for it. Rates of counters begin with the INFO
        after it.

        Args:
            view: a name of the view; what it wanted before is replaced.
            fields: what it needs beside `wanted_fields.BASE`: those of its columns, its filter, its
                sort order and its problems. Empty when the view is closed.
        """

    def follow_shard(self, shard: str) -> None:
        """Have a shard's whole INFO read for the next seconds, without waiting for it."""
