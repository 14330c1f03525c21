"""What `watch` and `events --follow` print of a fleet beside changes and events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zinfo.cli.format import echo_interruption
from zinfo.cli.output import raise_if_pipe_closed
from zinfo.wire.lifecycle import REMOVED

if TYPE_CHECKING:
    from zinfo.client import FleetSubscriber, FleetUpdate, MissingSlices

_PAUSE = 1.0  # seconds without an update after which a closed pipe is looked for

_LOST = {
    "delta": "messages were lost; the changes in total follow",
    "event": "events were lost; `zinfo events` prints them",
}


def updates_of(subscriber: FleetSubscriber) -> Iterator[FleetUpdate | None]:
    """Yield the updates; None once when all are read that were there at the start."""
    while (update := subscriber.recv(0)) is not None:
        yield update
    yield None
    while True:
        update = subscriber.recv(_PAUSE)
        if update is None:
            raise_if_pipe_closed()
        else:
            yield update


class FleetStream:
    """Prints the interruptions of the updates of a fleet.

    Args:
        json: whether to print JSON.

    Attributes:
        copies: name and epoch of the daemon from which a shard is received.
    """

    def __init__(self, *, json: bool) -> None:
        self.copies: dict[str, tuple[str, int]] = {}
        self._json = json
        self._stale: set[str] = set()

    def print(self, update: FleetUpdate) -> None:
        """Print an update that is an interruption, or the end of one; nothing for others."""
        from zinfo.client import Changeover, Event, Gap, MissingSlices, Snapshot, StaleShards

        match update:
            case Changeover(shard, node, epoch):
                if shard in self.copies:
                    self._break("changeover", shard, f"{node} is followed from now on")
                self.copies[shard] = (node, epoch)
                self._on_current(shard)
            case Snapshot():
                self._on_current(update.shard)
            case StaleShards():
                for shard in sorted(update.shards):
                    self._break("stale", shard, "no daemon has a current copy")
                self._stale |= update.shards
            case Gap():
                self._break("gap", update.shard or None, _LOST[update.kind])
            case MissingSlices():
                self._on_missing(update)
            case Event() if update.type == REMOVED:
                self.copies.pop(update.shard, None)
                self._stale.discard(update.shard)

    def _on_current(self, shard: str) -> None:
        if shard in self._stale:
            self._stale.discard(shard)
            self._break("again", shard, "there is a current copy again")

    def _on_missing(self, update: MissingSlices) -> None:
        for missing in update.missing:
            self._break("missing", None, str(missing))
        if not update.missing:
            self._break("complete", None, "no slice is missing any longer")

    def _break(self, kind: str, shard: str | None, text: str) -> None:
        echo_interruption(kind, time.time(), shard, text, json=self._json)
