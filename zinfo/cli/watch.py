"""`zinfo watch`: each change of INFO as it arrives."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import examples
from zinfo.cli.changes import Change, Fields
from zinfo.cli.client_options import Daemon, asks_daemon
from zinfo.cli.format import echo_break, echo_change, echo_event
from zinfo.cli.output import leave_if_nobody_reads, note
from zinfo.errors import ZinfoError
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT
from zinfo.wire.lifecycle import REMOVED

if TYPE_CHECKING:
    from zinfo.client import Client, Update

_LOST = {
    KIND_DELTA: "changes were lost; what they came to follows",
    KIND_EVENT: "events were lost; `zinfo events` has them",
}


@click.command(
    epilog=examples(
        "zinfo watch                                        all that changes, of all shards",
        "zinfo watch --key used_memory --key connected_clients",
        "zinfo watch 127.0.0.1:6379 --key db --prefix       all fields that begin with db",
        "zinfo watch --key role --json | jq .new",
    )
)
@click.argument("shard_ids", metavar="[SHARD]...", nargs=-1)
@click.option("--key", "keys", metavar="NAME", multiple=True, help="Only this field. Repeatable.")
@click.option("--prefix", is_flag=True, help="Each --key is the beginning of field names.")
@asks_daemon
def watch(daemon: Daemon, shard_ids: tuple[str, ...], keys: tuple[str, ...], prefix: bool) -> None:
    """Show each change of INFO of each SHARD, or of all, as it arrives, until Ctrl-C.

    A line has time (UTC), shard, field, old and new value: "?" for an old value that was not seen,
    "-" for none. Of a map, such as db0, only what differs is shown. Events (up, down, restarted,
    ...) come in between, and so does every break: "gap" where messages were lost, "stale" where
    the daemon is silent, "again" when it is back, "restart" where it was started again. A SHARD
    need not exist yet.

    With --json: objects with "update": change, event, gap, stale, again or restart. A change has
    shard, revision, time, field, old (missing where it was not seen, null for none) and new.

    Ctrl-C is the way to end it: exit code 0.
    """
    if prefix and not keys:
        raise click.UsageError("--prefix says how to take --key, and there is none")
    kinds = (KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT)
    with (
        contextlib.suppress(KeyboardInterrupt),
        daemon.subscriber(kinds, shard_ids) as updates,
        daemon.client() as client,
    ):
        watching = _Watching(client, shard_ids, keys, prefix, daemon.json)
        watching.look_at_all()
        for update in updates:
            watching.tell(update)


class _Watching:
    """Prints updates, and asks the daemon's cache for what they do not tell."""

    def __init__(
        self,
        client: Client,
        shard_ids: tuple[str, ...],
        keys: tuple[str, ...],
        prefix: bool,
        json: bool,
    ) -> None:
        self._client = client
        self._shard_ids = shard_ids
        self._keys = keys
        self._prefix = prefix
        self._json = json
        self._fields = Fields(keys, prefix)
        self._silent = False

    def look_at_all(self) -> None:
        """Take the old values from the daemon's cache; say which shards it does not have."""
        for missing in self._look(self._shard_ids):
            note(f"{missing}; waiting for it")

    def tell(self, update: Update) -> None:
        """Print one update."""
        from zinfo.client import Delta, Event, Gap, Heartbeat, Restart, Stale

        match update:
            case Heartbeat():
                leave_if_nobody_reads()
                if self._silent:
                    self._silent = False
                    self._break("again", update.time, None, "the daemon is heard again")
            case Delta():
                self._changes(self._fields.apply(update))
            case Event():
                echo_event(update, json=self._json)
                if update.type == REMOVED:
                    self._fields.forget(update.shard)
            case Gap():
                self._break("gap", time.time(), update.shard, _LOST[update.kind])
                if update.kind == KIND_DELTA:
                    self._look_again((update.shard,) if update.shard else self._shard_ids)
            case Stale():
                self._silent = True
                self._break("stale", time.time(), None, update.reason)
            case Restart():
                self._silent = False
                self._break("restart", time.time(), None, f"{update.node} was started again")
                self._fields.forget()
                self._look_again(self._shard_ids)

    def _changes(self, changes: list[Change]) -> None:
        for change in changes:
            echo_change(change, json=self._json)

    def _break(self, kind: str, when: float, shard: str | None, text: str) -> None:
        echo_break(kind, when, shard, text, json=self._json)

    def _look_again(self, shard_ids: tuple[str, ...]) -> None:
        try:
            self._look(shard_ids)
        except ZinfoError as error:  # the stream goes on; old values come with it
            self._fields.forget()
            note(f"the daemon's cache could not be read: {error}")

    def _look(self, shard_ids: tuple[str, ...]) -> list[str]:
        """Compare with the daemon's cache; returns why shards are not in it."""
        missing = []
        pages = self._client.iter_infos(
            shard_ids, keys=self._keys, prefix_matching=self._prefix, allow_partial=True
        )
        for page in pages:
            for entry in page:
                meta = entry["meta"]
                assert isinstance(meta, dict)
                if "error" in meta:
                    missing.append(str(meta["error"]))
                else:
                    self._changes(self._fields.look(entry))
        return missing
