"""`zinfo watch`: prints each change of INFO as it arrives."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import examples
from zinfo.cli.changes import Change, KnownFields
from zinfo.cli.client_options import Daemon, client_options
from zinfo.cli.completion import complete_shards
from zinfo.cli.fields import Fields, Selection, field_options
from zinfo.cli.format import echo_change, echo_event, echo_interruption
from zinfo.cli.labels import LabelledShards, label_option
from zinfo.cli.output import note, raise_if_pipe_closed
from zinfo.cli.unmatched import Unmatched, note_waiting, unmatched_shards
from zinfo.cli.watch_fleet import note_unmatched, watch_fleet
from zinfo.errors import ZinfoError
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT
from zinfo.wire.lifecycle import REMOVED

if TYPE_CHECKING:
    from zinfo.client import Client, Update

_LOST = {
    KIND_DELTA: "messages were lost; the changes in total follow",
    KIND_EVENT: "events were lost; `zinfo events` prints them",
}


@click.command(
    epilog=examples(
        "zinfo watch                                        all changes of all shards",
        "zinfo watch --key used_memory --key connected_clients",
        "zinfo watch 127.0.0.1:6379 --key db --prefix       fields whose names start with db",
        "zinfo watch --label site=fra                       all changes of some shards",
        "zinfo watch --key role --json | jq .new",
    )
)
@click.argument("shard_ids", metavar="[SHARD]...", nargs=-1, shell_complete=complete_shards)
@field_options(with_sections=False)
@label_option("Only shards while they have this label.")
@client_options
def watch(
    daemon: Daemon,
    shard_ids: tuple[str, ...],
    fields: Fields,
    labels: Mapping[str, str],
) -> None:
    """Print each change of INFO of each SHARD, or of all, as it arrives, until Ctrl-C.

    A line has time (UTC), shard, field, old and new value: "?" for an unknown old value, "-" for
    none. If a field has several values, such as db0, only those that changed are printed. Events
    (up, down, restarted, ...) and interruptions are printed, too: "gap" where messages were lost,
    "stale" while the daemon does not respond, "again" when it responds again, "restart" after its
    restart. A SHARD, label or field need not exist yet: stderr says what is waited for.

    With several --connect, the changes of a shard come from one daemon. "changeover" is printed
    when they come from another one, followed by the changes since; "stale" if no daemon has a
    current copy of the shard, until "again" or a "changeover"; "missing" for a slice without which
    shards may be missing, until "complete".

    With --json: objects with "update": change, event or the name of the interruption. A change has
    shard, revision, time, field, old (missing where unknown, null for none) and new.

    Ctrl-C ends it, with exit code 0.
    """
    if daemon.is_fleet:
        with contextlib.suppress(KeyboardInterrupt):
            watch_fleet(daemon, Selection(fields, shard_ids, labels))
        return
    kinds = (KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT)
    with (
        contextlib.suppress(KeyboardInterrupt),
        daemon.subscriber(kinds, shard_ids) as updates,
        daemon.single_client() as client,
    ):
        selection = Selection(fields, shard_ids, labels)
        printer = _ChangePrinter(client, selection, json=daemon.json)
        printer.read_all()
        for update in updates:
            printer.print(update)


class _ChangePrinter:
    """Prints updates, and reads the daemon's cache for values that they do not have."""

    def __init__(self, client: Client, selection: Selection, *, json: bool = False) -> None:
        self._client = client
        self._selection = selection
        self._shard_ids = tuple(selection.shard_ids)
        self._json = json
        self._shards = LabelledShards(client, selection.labels)
        self._fields = KnownFields(selection.fields.keys, selection.fields.prefix)
        self._silent = False

    def read_all(self) -> None:
        """Read the old values from the daemon's cache; print what it does not have."""
        missing = self._read(self._shard_ids)
        unknown = unmatched_shards(self._client, missing)
        note_waiting(unknown.get(one, Unmatched(error)) for one, error in missing.items())
        note_unmatched(self._client, self._selection, self._fields)

    def print(self, update: Update) -> None:
        """Print one update."""
        from zinfo.client import Delta, Event, Gap, Heartbeat, Restart, Stale

        match update:
            case Heartbeat():
                raise_if_pipe_closed()
                if self._silent:
                    self._silent = False
                    self._break("again", update.time, None, "the daemon responds again")
            case Delta() if update.shard in self._shards:
                self._changes(self._fields.apply(update))
            case Event() if self._shards.accepts(update):
                echo_event(update, json=self._json)
                if update.type == REMOVED or update.shard not in self._shards:
                    self._fields.forget(update.shard)
            case Gap():
                self._break("gap", time.time(), update.shard, _LOST[update.kind])
                if update.kind == KIND_DELTA:
                    self._read_again((update.shard,) if update.shard else self._shard_ids)
            case Stale():
                self._silent = True
                self._break("stale", time.time(), None, update.reason)
            case Restart():
                self._silent = False
                self._break("restart", time.time(), None, f"{update.node} was restarted")
                self._fields.forget()
                self._read_again(self._shard_ids)

    def _changes(self, changes: list[Change]) -> None:
        for change in changes:
            echo_change(change, json=self._json)

    def _break(self, kind: str, when: float, shard: str | None, text: str) -> None:
        echo_interruption(kind, when, shard, text, json=self._json)

    def _read_again(self, shard_ids: tuple[str, ...]) -> None:
        try:
            self._read(shard_ids)
        except ZinfoError as error:  # later changes print "?" for old values
            self._fields.forget()
            note(f"the daemon's cache could not be read: {error}")

    def _read(self, shard_ids: tuple[str, ...]) -> dict[str, str]:
        """Print the changes that the daemon's cache shows; returns errors of shards by id."""
        missing = {}
        self._shards.read()
        pages = self._client.iter_infos(
            shard_ids,
            keys=self._selection.fields.keys,
            prefix_matching=self._selection.fields.prefix,
            labels=self._selection.labels,
            allow_partial=True,
        )
        for page in pages:
            for entry in page:
                meta = entry["meta"]
                assert isinstance(meta, dict)
                if "error" in meta:
                    missing[str(meta["shard_identifier"])] = str(meta["error"])
                else:
                    self._changes(self._fields.update(entry))
        return missing
