"""`zinfo events`: prints lifecycle events."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import examples, verbatim
from zinfo.cli.client_options import Daemon, client_options
from zinfo.cli.completion import complete_shards
from zinfo.cli.events_fleet import print_events
from zinfo.cli.format import echo_event, echo_interruption
from zinfo.cli.labels import LabelledShards, label_option
from zinfo.cli.output import note, raise_if_pipe_closed
from zinfo.cli.unmatched import Unmatched, fail_if_unmatched, note_waiting, unmatched_events
from zinfo.errors import ZinfoError
from zinfo.wire.bus_messages import KIND_EVENT, KIND_HEARTBEAT

if TYPE_CHECKING:
    from zinfo.client import Client, Event, Update


@click.command(
    epilog=verbatim(
        "Events",
        "added, removed     the daemon started, or stopped, to poll the shard",
        "up, down           it replies; it does not, with the reason",
        "loading, busy      it is loading its data set; it is running a script",
        "restarted          another process replies at the same address",
        "role_changed       a primary became a replica, or the reverse",
        "version_changed    it runs another version",
        "labels_changed     the configuration, or a watcher, gave it other labels",
        "polling_error      a poll failed, but the state did not change",
        "saturated          the daemon cannot do all polls in time, or it can again",
        "short_of_files     the daemon has few file descriptors left, or it has enough again",
        "fault              an internal error of the daemon; the log has the traceback",
        "source_failed      a source of shards cannot be read; its shards stay",
        "source_recovered   it can be read again",
        "source_held        its answer would remove too many shards that reply; they stay",
    )
    + "\n\n"
    + examples(
        "zinfo events                              all events that the daemon stores",
        "zinfo events 127.0.0.1:6379 --follow      those of one shard, then new ones",
        "zinfo events --label site=fra             those of the shards with this label",
        "zinfo events --since 120                  events after number 120",
        "zinfo events --json | jq 'select(.type == \"down\")'",
    )
)
@click.argument("shard_ids", metavar="[SHARD]...", nargs=-1, shell_complete=complete_shards)
@click.option(
    "--since",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=0,
    help="Only events after the one with this number.",
)
@label_option("Only events of shards that have this label now, or get it later.")
@click.option("--follow", "-f", is_flag=True, help="Print new events, too, until Ctrl-C.")
@client_options
def events(
    daemon: Daemon,
    shard_ids: tuple[str, ...],
    since: int,
    labels: Mapping[str, str],
    follow: bool,
) -> None:
    """Print the events of each SHARD, or of all: up, down, restarted, role changed, ...

    A line has time (UTC), shard, number and event. Events are numbered from the daemon's start, so
    that a missing one is noticed; the daemon stores the newest 10,000 by default
    (query.events_kept in its configuration).

    With --follow, interruptions are printed, too: "stale" while the daemon does not respond,
    "again" when it responds again, "restart" after its restart, "gap" where events were lost.
    Ctrl-C ends it, with exit code 0.

    With several --connect, each line names the daemon that counted the event. With --follow, the
    events of a shard come from one daemon, and from another one after "changeover"; an event may
    come twice then. "stale" is about one shard, of which no daemon has a current copy; "missing"
    names a slice without which shards may be missing, until "complete".

    With --json: objects with "update": event, stale, again, restart or gap. An event has shard,
    type, old, new, reason, message, number, seq and time; added and labels_changed also have
    labels; with several --connect, node and epoch of the daemon.
    """
    if daemon.is_fleet:
        with contextlib.suppress(KeyboardInterrupt):
            print_events(daemon, shard_ids, since, labels, follow=follow)
        return
    if not follow:
        with daemon.single_client() as client:
            printer = _EventPrinter(client, shard_ids, since, daemon.json, labels)
            printer.catch_up()
            printer.fail_if_unmatched()
        return
    with (
        contextlib.suppress(KeyboardInterrupt),
        # Subscribed before the request, so that no event is missed in between.
        daemon.subscriber((KIND_EVENT, KIND_HEARTBEAT), shard_ids) as updates,
        daemon.single_client() as client,
    ):
        printer = _EventPrinter(client, shard_ids, since, daemon.json, labels)
        printer.catch_up()
        printer.note_waiting()
        for update in updates:
            printer.print(update)


class _EventPrinter:
    """Prints each event once, in order; events that the bus lost are fetched from the daemon.

    Args:
        client: fetches events.
        shard_ids: the shards; empty for all.
        since: print only events after this number.
        json: whether to print JSON.
        labels: those that the shards have; empty for any.
    """

    def __init__(
        self,
        client: Client,
        shard_ids: tuple[str, ...],
        since: int,
        json: bool,
        labels: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._client = client
        self._shard_ids = shard_ids
        self._newest = since
        self._json = json
        self._labels = labels
        self._shards = LabelledShards(client, labels)
        self._printed: set[str] = set()  # those of `shard_ids` of which there were events
        self._silent = False

    def fail_if_unmatched(self) -> None:
        """Check that the shards and labels exist, except shards of which there were events.

        Raises:
            ZinfoError: one does not exist.
        """
        fail_if_unmatched(self._unmatched())

    def note_waiting(self) -> None:
        """Print which shards and labels do not exist yet."""
        note_waiting(self._unmatched())

    def _unmatched(self) -> list[Unmatched]:
        return unmatched_events(self._client, self._shard_ids, self._labels, self._printed)

    def catch_up(self) -> None:
        """Print the events that the daemon stores and that were not printed yet."""
        recent = self._client.events(self._newest, self._shard_ids)
        if recent.newest < self._newest:
            note(
                f"the daemon has counted {recent.newest} events, not {self._newest}: "
                "it was restarted, and counts from 1 again"
            )
            recent = self._client.events(0, self._shard_ids)
        elif recent.missed:
            note(f"events {self._newest + 1} to {recent.oldest - 1} are no longer stored")
        self._shards.read()
        for event in recent.events:
            if event.shard in self._shards:
                self._event(event)
        self._newest = recent.newest

    def print(self, update: Update) -> None:
        """Print an update."""
        from zinfo.client import Event, Gap, Heartbeat, Restart, Stale

        match update:
            case Event():
                if update.number > self._newest and self._shards.accepts(update):
                    self._event(update)
            case Heartbeat():
                raise_if_pipe_closed()
                if self._silent:
                    self._silent = False
                    self._break("again", update.time, None, "the daemon responds again")
            case Gap():
                self._catch_up_again(update.shard)
            case Stale():
                self._silent = True
                self._break("stale", time.time(), None, update.reason)
            case Restart():
                self._silent = False
                self._newest = 0
                self._break("restart", time.time(), None, f"{update.node} was restarted")
                self._catch_up_again(None)

    def _event(self, event: Event) -> None:
        echo_event(event, json=self._json)
        self._newest = event.number
        if event.shard in self._shard_ids:
            self._printed.add(event.shard)

    def _break(self, kind: str, when: float, shard: str | None, text: str) -> None:
        echo_interruption(kind, when, shard, text, json=self._json)

    def _catch_up_again(self, shard: str | None) -> None:
        try:
            self.catch_up()
        except ZinfoError as error:
            self._break(
                "gap", time.time(), shard, f"events were lost, and cannot be fetched: {error}"
            )
