"""A source whose answers a test sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gevent

from tests.waiting import wait_until
from zinfo.discovery.shard_spec import ShardSpec
from zinfo.discovery.source import Source
from zinfo.discovery.target import Answer, Target
from zinfo.errors import SourceError
from zinfo.shards.connection_options import ConnectionOptions

INTERVAL = 0.01
"""Seconds between two reads."""

URL = "redis://127.0.0.1:1"
"""Where no server listens."""


class ScriptedSource(Source):
    """Answers as `then` says; an exception in it is raised.

    Attributes:
        then: The answer of the next reads, an exception to raise, or a function that returns one.
        reads: Number of reads that have ended.
        closed: Whether it was closed.
        remembered: What it was given before its first read.
    """

    kind = "scripted"

    def __init__(self, name: str, *ids: str, interval: float = INTERVAL) -> None:
        super().__init__(name, interval)
        self.then: Answer | BaseException | Callable[[], Answer | None] | None = answer(*ids)
        self.reads = 0
        self.closed = False
        self.remembered: Mapping[str, Target] | None = None

    def read(self) -> Answer | None:
        try:
            then = self.then() if callable(self.then) else self.then
            if isinstance(then, BaseException):
                raise then
            return then
        finally:
            self.reads += 1

    def remember(self, targets: Mapping[str, Target]) -> None:
        self.remembered = targets

    def close(self) -> None:
        self.closed = True

    def answers(self, *ids: str, **labels: str) -> None:
        """Answer with these shards, and wait until that was followed."""
        self.then = answer(*ids, **labels)
        self.wait()

    def fails(self, text: str = "refused") -> None:
        """Fail, and wait for it."""
        self.then = SourceError(text)
        self.wait()

    def wait(self, reads: int = 2) -> None:
        """Wait until a read that begins now was followed: the next but one has begun then."""
        target = self.reads + reads
        wait_until(lambda: self.reads >= target, what=f"reads of {self.name}", sleep=gevent.sleep)


def answer(*ids: str, url: str = URL, credentials: str = "", **labels: str) -> Answer:
    """Return an answer with targets of these ids, all at one address."""
    return Answer({ident: Target(url, labels, credentials) for ident in ids})


def spec(ident: str, url: str = URL, **labels: str) -> ShardSpec:
    """Return the description of a shard in a list."""
    return ShardSpec(ConnectionOptions(url=url), id=ident, labels=labels)
