"""The samples about a shard: whether it replies, its failed polls, and the age of its INFO."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from zinfo.metrics.names import Family
from zinfo.metrics.sample import MICRO
from zinfo.metrics.samples import UP, Sample
from zinfo.metrics.selection import label_text
from zinfo.shards.snapshot import Snapshot

STATE: Final = Family(
    "zinfo_shard_state", "gauge", "1 for the current state of the shard; reason says why it is down"
)
AGE: Final = Family("zinfo_shard_info_age_seconds", "gauge", "age of the newest INFO in seconds")
BAD_LINES: Final = Family(
    "zinfo_shard_bad_lines", "gauge", "lines of the newest INFO that could not be parsed"
)
FAILURES: Final = Family("zinfo_shard_failures", "gauge", "consecutive failed polls")

FAMILIES: Final = (UP, STATE, FAILURES, AGE, BAD_LINES)
"""The metrics, in the order in which the native part has them."""


class ShardFacts(NamedTuple):
    """What is known about a shard.

    Attributes:
        up: whether it replies; None if it has not been polled yet.
        state: the name of its state.
        reason: why it is down; "" if it is not.
        failures: consecutive failed polls.
        age: of its newest INFO, in seconds; None without one.
    """

    up: bool | None
    state: str
    reason: str
    failures: int
    age: float | None

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """Labels of `STATE`."""
        return ("state", self.state), ("reason", self.reason)


def state_samples(facts: ShardFacts, bad_lines: int) -> Iterator[Sample]:
    """Yield the samples about a shard.

    Args:
        facts: what is known about it.
        bad_lines: of its newest INFO, if it has one.
    """
    if facts.up is not None:
        yield Sample(UP, (), int(facts.up))
    yield Sample(STATE, facts.labels, 1)
    yield Sample(FAILURES, (), facts.failures)
    if facts.age is not None:
        yield Sample(AGE, (), facts.age)
        yield Sample(BAD_LINES, (), bad_lines)


class Reply(NamedTuple):
    """A shard that replies; the native part reads the first items by their position.

    Attributes:
        text: the labels of the shard, in the text format.
        raw: its INFO; empty where a client library parsed it.
        time: wall clock of its arrival, whole seconds since the Unix epoch.
        state: the labels of `STATE`, in the text format.
        failures: consecutive failed polls.
        age: of the INFO, in microseconds.
        more: other samples about the shard. They have labels, and no field has the same.
        snapshot: the INFO; it is parsed only if the native part cannot write the samples.
        state_name: the name of the shard's state.
        reason: why the shard is down; "" if it is not.
    """

    text: str
    raw: bytes
    time: int
    state: bytes
    failures: int
    age: int
    more: tuple[Sample, ...]
    snapshot: Snapshot
    state_name: str
    reason: str

    @property
    def facts(self) -> ShardFacts:
        """What is known about the shard."""
        return ShardFacts(True, self.state_name, self.reason, self.failures, self.age / MICRO)


@lru_cache(maxsize=256)
def state_text(state: str, reason: str) -> bytes:
    """Return the labels of `STATE` in the text format; few are different."""
    return label_text((("state", state), ("reason", reason))).encode("utf-8", "replace")
