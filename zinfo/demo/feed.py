"""Somebody who looks at the daemon, by the public way: Mirror for INFO, Client for the rest."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zinfo.client import Client, Event, Mirror, View
from zinfo.demo.rows import Row, hit_ratio, integer, keys_in
from zinfo.errors import NoAnswerError, RequestError
from zinfo.wire.lifecycle import DOWN, UP

_EVENTS_KEPT = 200  # more than any screen has lines
_ANSWER_SECONDS = 1.0  # for the daemon to answer a query; it is on this machine
_READY_SECONDS = 10.0  # for the first copy of all shards
_LOOK_SECONDS = 0.1  # of that, until a signal is noticed


class Watch:
    """What is known of all shards, through a daemon. A context manager.

    Args:
        query: the daemon's query endpoint.

    Attributes:
        rows: the shards, as `look` saw them last.
        events: the newest events, oldest first.
        counts: events so far, by kind.
        problem: why the rows are stale; "" where they are not.
    """

    def __init__(self, query: str) -> None:
        self.rows: list[Row] = []
        self.events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self.counts: Counter[str] = Counter()
        self.problem = ""
        self._newest = 0
        self._client = Client(query, timeout=_ANSWER_SECONDS, retries=0)
        self._mirror = Mirror(query)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._mirror.close()
        self._client.close()

    def wait_ready(self, ended: Callable[[], bool]) -> None:
        """Wait until every shard is known, or until `ended()`.

        Raises:
            NoAnswerError: that took too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not ended():
            try:
                self._mirror.wait_ready(_LOOK_SECONDS)
                return
            except NoAnswerError:
                if time.monotonic() > deadline:
                    raise

    def look(self) -> None:
        """Bring everything up to date; what cannot be learned now is marked as stale."""
        try:
            entries = self._client.shards()
            events = self._client.events(since=self._newest)
        except (NoAnswerError, RequestError) as error:
            self.problem = str(error).partition(": ")[0]  # what to do about it is not for here
            self.rows = [
                replace(row, age=self._mirror.age(row.shard), stale=True) for row in self.rows
            ]
            return
        self._newest = events.newest
        self.events += events.events
        self.counts.update(kind_of(event) for event in events.events)
        self.problem = self._mirror.problem if self._mirror.stale else ""
        self.rows = [self._row(entry) for entry in entries if entry["id"] in self._mirror]

    def _row(self, entry: Mapping[str, Any]) -> Row:
        shard = entry["id"]
        return row(entry, self._mirror.view(shard), self._mirror.age(shard))


def kind_of(event: Event) -> str:
    """Return an event's type, but "back" for the `up` of a shard that was down."""
    return "back" if (event.type, event.old) == (UP, DOWN) else event.type


def row(entry: Mapping[str, Any], view: View, age: float) -> Row:
    """Return what is shown of a shard.

    Args:
        entry: what the daemon says of it beside INFO.
        view: what the Mirror holds of it.
        age: seconds since that INFO was read from it.
    """
    info = view.info or {}
    return Row(
        shard=entry["id"],
        state=entry["state"],
        role=entry["role"],
        version=entry["version"],
        ops=integer(info, "instantaneous_ops_per_sec"),
        memory=integer(info, "used_memory"),
        clients=integer(info, "connected_clients"),
        keys=keys_in(info) if info else None,
        hit_ratio=hit_ratio(info),
        interval=entry["interval"],
        age=age,
        revision=view.revision,
        stale=not view.fresh,
    )
