"""`zinfo watch` of several daemons that share the shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zinfo.cli.changes import KnownFields
from zinfo.cli.client_options import DEFAULT_TIMEOUT, Daemon
from zinfo.cli.fields import Selection, unmatched_fields
from zinfo.cli.fleet_stream import FleetStream, updates_of
from zinfo.cli.format import echo_change, echo_event
from zinfo.cli.unmatched import note_waiting, unmatched_labels, unmatched_shards
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT
from zinfo.wire.lifecycle import REMOVED

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet, Snapshot


def watch_fleet(daemon: Daemon, selection: Selection) -> None:
    """Print each change of one copy of each shard, until Ctrl-C.

    Args:
        daemon: the daemons.
        selection: shards and fields.
    """
    from zinfo.client import Changeover, Delta, Event, FleetSubscriber, Snapshot

    selected, shard_ids = selection.fields, tuple(selection.shard_ids)
    fields, stream = KnownFields(selected.keys, selected.prefix), FleetStream(json=daemon.json)
    with FleetSubscriber(
        daemon.endpoints,
        shard_ids=shard_ids,
        kinds=(KIND_DELTA, KIND_EVENT),
        labels=selection.labels or None,
        fields=selected.keys if selected.keys and not selected.prefix else None,
        timeout=daemon.timeout or DEFAULT_TIMEOUT,
        keys=daemon.keys,
    ) as subscriber:
        for update in updates_of(subscriber):
            if update is None:
                missing = sorted(set(shard_ids) - stream.copies.keys())
                if missing or selection.labels or fields.unmatched():
                    with daemon.client() as client:
                        note_waiting(unmatched_shards(client, missing).values())
                        note_unmatched(client, selection, fields)
                continue
            stream.print(update)
            changes = []
            match update:
                case Changeover():
                    fields.restart_revisions(update.shard)
                case Snapshot():
                    changes = fields.update(_entry(update, fields))
                case Delta():
                    changes = fields.apply(update)
                case Event():
                    echo_event(update, json=daemon.json)
                    if update.type == REMOVED:
                        fields.forget(update.shard)
            for change in changes:
                echo_change(change, json=daemon.json)


def note_unmatched(client: Client | Fleet, selection: Selection, known: KnownFields) -> None:
    """Print that labels or fields are waited for, if no shard has them.

    Args:
        client: requests the shards, and the fields of some of them.
        selection: what is watched.
        known: the fields that are known. While no shard is known, none is missing.
    """
    note_waiting(unmatched_labels(client, selection.labels, selection.shard_ids))
    if missing := known.unmatched():
        note_waiting(unmatched_fields(client, selection, missing))


def _entry(snapshot: Snapshot, fields: KnownFields) -> dict[str, object]:
    """Return a snapshot as an entry of `get_infos`, with the selected fields."""
    meta = {
        "shard_identifier": snapshot.shard,
        "revision": snapshot.revision,
        "time": snapshot.time,
    }
    wanted = {name: value for name, value in snapshot.info.items() if fields.wants(name)}
    return {**wanted, "meta": meta}
