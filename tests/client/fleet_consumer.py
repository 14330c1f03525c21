"""A consumer of a FleetSubscriber that stores what it gets, and checks the order of it."""

from __future__ import annotations

from zinfo.client import Delta, Event, Gap, Snapshot
from zinfo.client.fleet_updates import Changeover, FleetUpdate, MissingSlices, StaleShards
from zinfo.client.updates import Info
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, STATES


class Consumer:
    """What can be known from the updates.

    Attributes:
        infos: revision and INFO of each shard.
        copies: node and epoch of each shard.
        states: state and reason of the shards, as events report them.
        labels: labels of the shards, as events report them.
        uncertain: ids of shards that may be out of date.
        missing: whether shards may be missing.
        taken: all updates.
    """

    def __init__(self) -> None:
        self.infos: dict[str, tuple[int, Info]] = {}
        self.copies: dict[str, tuple[str, int]] = {}
        self.states: dict[str, tuple[str, str]] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.uncertain: set[str] = set()
        self.missing = False
        self.taken: list[FleetUpdate] = []
        self.seqs: dict[str, int] = {}  # of the newest event, where it is known
        self._gaps: set[str] = set()  # shards of which events are missing

    def take(self, update: FleetUpdate) -> None:
        """Store an update."""
        self.taken.append(update)
        match update:
            case Changeover(shard, node, epoch):
                self.copies[shard] = (node, epoch)
                self.infos.pop(shard, None)  # so that a Snapshot has to come
                self.seqs.pop(shard, None)
            case Snapshot(shard):
                assert shard in self.copies, "a Changeover comes first"
                held = self.infos.get(shard, (0, {}))[0]
                assert update.revision >= held, "revisions of one copy increase"
                self.infos[shard] = (update.revision, update.info)
                self.uncertain.discard(shard)
            case Delta(shard):
                revision, info = self.infos[shard]
                assert update.base == revision, "the base is the revision given last"
                assert update.revision > revision
                self.infos[shard] = (update.revision, update.applied_to(info))
            case Event():
                self.on_event(update)
            case StaleShards(shards):
                self.uncertain |= shards
            case MissingSlices(missing):
                self.missing = bool(missing)
            case Gap(shard, kind) if shard:
                if kind == "event":
                    self._gaps.add(shard)
                    self.seqs.pop(shard, None)
                else:
                    self.uncertain.add(shard)

    def on_event(self, event: Event) -> None:
        """Store an event; those of one copy follow one another, unless a Gap came."""
        shard = event.shard
        if not shard:
            return
        if event.number:
            known = self.seqs.get(shard)
            assert known is None or event.seq in (known, known + 1), "each event, or a Gap"
            self.seqs[shard] = event.seq
        if event.type == REMOVED:
            for stored in (self.infos, self.copies, self.states, self.labels, self.seqs):
                stored.pop(shard, None)
            self.uncertain.discard(shard)
        elif event.type in STATES:
            self.states[shard] = (event.new or "", event.reason)
        elif event.type == ADDED:
            self.states[shard] = (event.new or "", "")
        if event.type in (ADDED, LABELS_CHANGED) and event.labels is not None:
            self.labels[shard] = dict(event.labels)
