"""`zinfo watch` of several daemons that share the shards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zinfo.cli.changes import KnownFields
from zinfo.cli.client_options import DEFAULT_TIMEOUT, Daemon
from zinfo.cli.fleet_stream import FleetStream, updates_of
from zinfo.cli.format import echo_change, echo_event
from zinfo.cli.output import note
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT
from zinfo.wire.lifecycle import REMOVED

if TYPE_CHECKING:
    from zinfo.client import Snapshot


def watch_fleet(
    daemon: Daemon,
    shard_ids: tuple[str, ...],
    keys: tuple[str, ...],
    prefix: bool,
    labels: Mapping[str, str],
) -> None:
    """Print each change of one copy of each shard, until Ctrl-C.

    Args:
        daemon: the daemons.
        shard_ids: the shards; empty for all.
        keys: names of fields; empty for all.
        prefix: whether the keys are prefixes of names.
        labels: those that the shards have.
    """
    from zinfo.client import Changeover, Delta, Event, FleetSubscriber, Snapshot

    fields, stream = KnownFields(keys, prefix), FleetStream(json=daemon.json)
    with FleetSubscriber(
        daemon.endpoints,
        shards=shard_ids,
        kinds=(KIND_DELTA, KIND_EVENT),
        labels=labels or None,
        fields=keys if keys and not prefix else None,
        timeout=daemon.timeout or DEFAULT_TIMEOUT,
        keys=daemon.keys,
    ) as subscriber:
        for update in updates_of(subscriber):
            if update is None:
                for missing in sorted(set(shard_ids) - stream.copies.keys()):
                    note(f"no shard {missing}; waiting for it")
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


def _entry(snapshot: Snapshot, fields: KnownFields) -> dict[str, object]:
    """Return a snapshot as an entry of `get_infos`, with the selected fields."""
    meta = {
        "shard_identifier": snapshot.shard,
        "revision": snapshot.revision,
        "time": snapshot.time,
    }
    wanted = {name: value for name, value in snapshot.info.items() if fields.wants(name)}
    return {**wanted, "meta": meta}
