"""`zinfo events` of several daemons that share the shards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from zinfo.cli.client_options import DEFAULT_TIMEOUT, Daemon
from zinfo.cli.fleet_stream import FleetStream, updates_of
from zinfo.cli.format import echo_event
from zinfo.cli.labels import LabelledShards
from zinfo.cli.missing import fail_if_missing, missing_of
from zinfo.cli.unmatched import Unmatched, fail_if_unmatched, note_waiting, unmatched_events
from zinfo.wire.bus_messages import KIND_EVENT

if TYPE_CHECKING:
    from zinfo.client import FleetEvent, MissingSlice


class _Printer:
    """Prints events, with the daemon that counted them; those of the history once.

    Attributes:
        unmatched: shards and labels that did not exist when the history was printed.
    """

    def __init__(self, daemon: Daemon, shard_ids: tuple[str, ...]) -> None:
        self._daemon = daemon
        self._shard_ids = shard_ids
        self._printed: set[tuple[str, int, int]] = set()  # node, epoch and number of an event
        self.unmatched: list[Unmatched] = []

    def history(self, labels: Mapping[str, str]) -> tuple[MissingSlice, ...]:
        """Print the events that the daemons have stored; return what is missing."""
        from zinfo.client import Fleet

        timeout = self._daemon.timeout or DEFAULT_TIMEOUT
        with Fleet(
            self._daemon.endpoints, timeout=timeout, keys=self._daemon.keys, allow_missing=True
        ) as fleet:
            shards = LabelledShards(fleet, labels)
            shards.read()
            found = fleet.events(self._shard_ids)
            for one in found:
                if one.event.shard in shards:
                    self._print(one)
                    self._printed.add((one.node, one.epoch, one.event.number))
            if not missing_of(found):
                printed = {one.event.shard for one in found}
                self.unmatched = unmatched_events(fleet, self._shard_ids, labels, printed)
        return missing_of(found)

    def follow(self, labels: Mapping[str, str]) -> None:
        """Print the events that are stored, and new ones."""
        from zinfo.client import Event, FleetEvent, FleetSubscriber

        stream = FleetStream(json=self._daemon.json)
        # Subscribed before the request, so that no event is missed in between.
        with FleetSubscriber(
            self._daemon.endpoints,
            shard_ids=self._shard_ids,
            kinds=(KIND_EVENT,),
            labels=labels or None,
            timeout=self._daemon.timeout or DEFAULT_TIMEOUT,
            keys=self._daemon.keys,
        ) as subscriber:
            self.history(labels)
            note_waiting(self.unmatched)
            for update in updates_of(subscriber):
                if update is None:
                    continue
                if isinstance(update, Event):
                    node, epoch = stream.copies.get(update.shard, ("", 0))
                    if (node, epoch, update.number) not in self._printed:
                        self._print(FleetEvent(update, node, epoch, ""))
                stream.print(update)

    def _print(self, one: FleetEvent) -> None:
        echo_event(one.event, json=self._daemon.json, origin=(one.node, one.epoch))


def print_events(
    daemon: Daemon,
    shard_ids: tuple[str, ...],
    since: int,
    labels: Mapping[str, str],
    *,
    follow: bool,
) -> None:
    """Print the events that the daemons have stored; with `follow`, new ones, too, until Ctrl-C.

    Args:
        daemon: the daemons.
        shard_ids: the shards; empty for all.
        since: of the option --since.
        labels: those that the shards have.
        follow: whether to print new ones.

    Raises:
        click.UsageError: `since` is given.
    """
    if since:
        raise click.UsageError(
            "--since needs a single --connect: each daemon counts its own events"
        )
    printer = _Printer(daemon, shard_ids)
    if follow:
        printer.follow(labels)
    else:
        fail_if_missing(printer.history(labels))
        fail_if_unmatched(printer.unmatched)
