"""`zinfo events`: what happened to shards."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import examples, verbatim
from zinfo.cli.client_options import Daemon, asks_daemon
from zinfo.cli.format import echo_break, echo_event
from zinfo.cli.output import leave_if_nobody_reads, note
from zinfo.errors import ZinfoError
from zinfo.wire.bus_messages import KIND_EVENT, KIND_HEARTBEAT

if TYPE_CHECKING:
    from zinfo.client import Client, Event, Update


@click.command(
    epilog=verbatim(
        "Events",
        "added, removed     the daemon began, or ceased, to watch the shard",
        "up, down           it answers; it does not, and why",
        "loading, busy      it loads its data; it runs a script",
        "restarted          another process answers at the same place",
        "role_changed       master became replica, or the other way round",
        "version_changed    after an upgrade",
        "labels_changed     the configuration, or whoever found the shard, gave it other labels",
        "polling_error      a poll failed, but the shard is what it was",
        "saturated          of the daemon: more polls are due than it can do, or no more so",
        "short_of_files     of the daemon: it has nearly no file descriptors left, or no more so",
        "fault              of the daemon: a part of it failed unexpectedly, and runs again",
    )
    + "\n\n"
    + examples(
        "zinfo events                              all that the daemon still holds",
        "zinfo events 127.0.0.1:6379 --follow      those of a shard, and what comes",
        "zinfo events --since 120                  what came after event 120",
        "zinfo events --json | jq 'select(.type == \"down\")'",
    )
)
@click.argument("shard_ids", metavar="[SHARD]...", nargs=-1)
@click.option(
    "--since",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=0,
    help="Only events after the one with this number.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@asks_daemon
def events(daemon: Daemon, shard_ids: tuple[str, ...], since: int, follow: bool) -> None:
    """Show what happened to each SHARD, or to all: up, down, restarted, role changed, ...

    A line has time (UTC), shard, number and event. Numbers count all events of one start of the
    daemon, so that none is missed unnoticed; the daemon holds the newest (query.events_kept of its
    configuration).

    With --follow every break is told, too: "stale" where the daemon is silent, "again" when it is
    back, "restart" where it was started again, "gap" where events were lost. Ctrl-C is the way to
    end it: exit code 0.

    With --json: objects with "update": event, stale, again, restart or gap. An event has shard,
    type, old, new, reason, message, number, seq and time; added and labels_changed also have
    labels.
    """
    if not follow:
        with daemon.client() as client:
            _Telling(client, shard_ids, since, daemon.json).catch_up()
        return
    with (
        contextlib.suppress(KeyboardInterrupt),
        # Before the question, so that nothing falls between the two.
        daemon.subscriber((KIND_EVENT, KIND_HEARTBEAT), shard_ids) as updates,
        daemon.client() as client,
    ):
        telling = _Telling(client, shard_ids, since, daemon.json)
        telling.catch_up()
        for update in updates:
            telling.tell(update)


class _Telling:
    """Prints each event once, in order; what the bus lost comes from the daemon's log of events.

    Args:
        client: asks for that log.
        shard_ids: of these shards; empty for all.
        since: number of the last event that is not wanted.
        json: whether to print JSON.
    """

    def __init__(self, client: Client, shard_ids: tuple[str, ...], since: int, json: bool) -> None:
        self._client = client
        self._shard_ids = shard_ids
        self._newest = since
        self._json = json
        self._silent = False

    def catch_up(self) -> None:
        """Print the events that the daemon holds and that were not printed yet."""
        recent = self._client.events(self._newest, self._shard_ids)
        if recent.newest < self._newest:
            note(
                f"the daemon has counted {recent.newest} events, not {self._newest}: "
                "it was started again, and counts anew"
            )
            recent = self._client.events(0, self._shard_ids)
        elif recent.missed:
            note(f"events {self._newest + 1} to {recent.oldest - 1} are held no more")
        for event in recent.events:
            self._event(event)
        self._newest = recent.newest

    def tell(self, update: Update) -> None:
        """Print what an update tells."""
        from zinfo.client import Event, Gap, Heartbeat, Restart, Stale

        match update:
            case Event():
                if update.number > self._newest:
                    self._event(update)
            case Heartbeat():
                leave_if_nobody_reads()
                if self._silent:
                    self._silent = False
                    self._break("again", update.time, None, "the daemon is heard again")
            case Gap():
                self._catch_up_again(update.shard)
            case Stale():
                self._silent = True
                self._break("stale", time.time(), None, update.reason)
            case Restart():
                self._silent = False
                self._newest = 0
                self._break("restart", time.time(), None, f"{update.node} was started again")
                self._catch_up_again(None)

    def _event(self, event: Event) -> None:
        echo_event(event, json=self._json)
        self._newest = event.number

    def _break(self, kind: str, when: float, shard: str | None, text: str) -> None:
        echo_break(kind, when, shard, text, json=self._json)

    def _catch_up_again(self, shard: str | None) -> None:
        try:
            self.catch_up()
        except ZinfoError as error:
            self._break("gap", time.time(), shard, f"events were lost, and not found: {error}")
