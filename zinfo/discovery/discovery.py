"""Discovery: keeps the shards live that a list and several sources name."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from gevent.event import Event

from zinfo.discovery.answer_storage import AnswerStorage
from zinfo.discovery.claim_watcher import ClaimWatcher
from zinfo.discovery.credentials import CredentialSet
from zinfo.discovery.guard import Guard
from zinfo.discovery.running_sources import RunningSources
from zinfo.discovery.shard_spec import ShardSpec, SpecAnswer
from zinfo.discovery.source import Source
from zinfo.discovery.source_entry import SourceEntry
from zinfo.discovery.source_reader import SourceReader
from zinfo.discovery.source_state import Member, SourceState
from zinfo.discovery.stored_answers import StoredAnswers
from zinfo.discovery.target import Answer
from zinfo.loop.yielding import CooperativeYield
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.source_status import SourceStatus
from zinfo.wire.slices import SliceSpec

STATIC = "static"
"""Name and type of the source that is the list of shards; no other source may have it."""

CHECK_INTERVAL = 1.0
"""Seconds between two checks whether missing shards may be removed."""

_FOLLOWED_AT_ONCE = Guard(misses=0, hold=0.0, max_removed=1.0, release=0.0)


class _ShardList(Source):
    """The list of shards; it is set, not read."""

    kind = STATIC

    def read(self) -> Answer | None:
        return None


class Discovery(ClaimWatcher):
    """Keeps live what the sources list; the first source that lists a shard owns it.

    A list of shards comes before all sources, and is followed at once. Each source is read in a
    greenlet of its own: one that fails or crashes changes nothing, and does not affect the others.
    Answers are followed one after the other, in turns of 2 ms. It is a `SourceDirectory`.

    Args:
        publisher: the registry to keep up to date.
        entries: the sources, with unique names.
        shards: the list of shards.
        credentials: the named credentials of targets.
        events: takes the events source_failed, source_recovered and source_held.
        stored: stores the answers of the sources; None to store nothing.
        slice_spec: the slice of all shards that become live; None for all.
        shard_class: class of the shards.

    Attributes:
        slice: the slice of all shards that become live; None for all.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        entries: Iterable[SourceEntry] = (),
        *,
        shards: Iterable[ShardSpec] = (),
        credentials: CredentialSet | None = None,
        events: EventLog | None = None,
        stored: StoredAnswers | None = None,
        slice_spec: SliceSpec | None = None,
        shard_class: type[RedisShard] = RedisShard,
    ) -> None:
        super().__init__(publisher, credentials=credentials, shard_class=shard_class)
        self._events = events
        self._running = False
        self._accepted = Event()
        self.slice = slice_spec
        self._shards = {spec.ident: spec for spec in shards if self._is_mine(spec.ident, spec)}
        self._static = self._make_state(SourceEntry(_ShardList(STATIC, 0.0), _FOLLOWED_AT_ONCE))
        self._sources = RunningSources(self._make_state, self._make_reader, entries)
        self._storage: AnswerStorage | None = None
        if stored is not None:
            self._storage = AnswerStorage(stored, self._sources, self.turn, self.pause, slice_spec)

    def start(self) -> None:
        """Make the list of shards live, and begin to read the sources."""
        self._running = True
        with self.turn():
            self.set_order(self._states)
            self._follow_list(self._shards)
        self._sources.start()
        self.spawn(self._check_missing)
        if self._storage is not None:
            self.spawn(self._storage.run)

    def stop(self) -> None:
        """Stop reading, and remove all shards."""
        self._running = False
        self._sources.stop()
        if self._storage is not None:
            self._storage.store_changes(at_once=True)
        self._static = self._make_state(self._static.entry)
        self._sources.forget()
        super().stop()

    def configure(
        self,
        entries: Iterable[SourceEntry],
        *,
        shards: Iterable[ShardSpec] = (),
        credentials: CredentialSet | None = None,
    ) -> None:
        """Follow a new configuration; returns when its list of shards is live.

        A source with equal settings goes on. One with other settings keeps its shards until its
        first answer, which is judged by the guard. The shards of one that is gone are removed at
        once, unless another source lists them. Yields to the event loop.

        Args:
            entries: the sources, with unique names.
            shards: the list of shards; may be a generator, which is read with yields.
            credentials: the named credentials of targets.
        """
        yielder, listed = CooperativeYield(background=True), {}
        for spec in shards:
            if self._is_mine(spec.ident, spec):
                listed[spec.ident] = spec
            yielder.maybe_yield()
        with self.turn():
            gone = self._sources.replace(entries)
            self._shards, self._credentials = listed, credentials or CredentialSet()
            if not self._running:
                return  # stopped meanwhile; `start` follows it
            is_reordered = self.set_order(self._states)
            self._follow_list(listed)  # first: what moves from a source to the list stays live
            for state in gone:
                self.settle_all(list(state.membership.members))
            if is_reordered:
                self.settle_everything()
            self.settle_credentials()
        if not self._running:
            return
        self._sources.start()
        for state in gone:
            if self._storage is not None:
                self._storage.remove(state.name)

    # --- SourceDirectory

    def source_statuses(self) -> Sequence[SourceStatus]:
        """Return the state of each source, in order; of the list of shards only if it has any."""
        listed = [self._static] if self._static.membership.members else []
        return [state.status() for state in (*listed, *self._sources)]

    def accept_source(self, name: str) -> int:
        """Follow the last answer of a source at once, and remove the shards that it lacks.

        Returns:
            The number of shards that are removed, if no other source lists them.

        Raises:
            KeyError: no source has this name.
        """
        count = self._sources[name].membership.accept()
        self._accepted.set()
        return count

    def waiting_sources(self) -> Sequence[str]:
        """Return the names of the sources that have neither answered nor a stored answer."""
        return [state.name for state in self._sources if not state.answered]

    @property
    def _states(self) -> tuple[SourceState, ...]:
        return (self._static, *self._sources)

    def _make_state(self, entry: SourceEntry) -> SourceState:
        return SourceState(entry, self.pause, self._emit)

    def _make_reader(self, state: SourceState) -> SourceReader:
        return SourceReader(state, self._restore, self._follow, self.publisher.report_fault)

    # --- answers

    def _restore(self, state: SourceState) -> None:
        """Take over the stored answer of a source, if none is known."""
        if self._storage is None or state.answered:
            return
        stored = self._storage.restore(state)
        if stored is None:
            return
        with self.turn():
            self.settle_all(state.membership.restore(self._mine(state, stored.targets)))
            if stored.slice == self.slice:
                self._storage.mark_stored(state)
        # Of another slice it lacks shards that are now in this one: the source must answer first.
        state.answered = stored.slice in (None, self.slice)
        state.entry.source.remember(stored.targets)

    def _follow(self, state: SourceState, answer: Answer | None) -> None:
        """Follow a good answer; None for an unchanged one."""
        members: Mapping[str, Member] | None = None
        if isinstance(answer, SpecAnswer):
            members = answer.specs
        elif answer is not None:
            members = answer.targets
        with self.turn():
            if members is not None:
                members = self._mine(state, members)
            if members is not None and answer is not None and answer.incomplete:
                changes = state.membership.add(members)
            else:
                changes = state.membership.read(members, time.monotonic(), self.health_of)
            self.settle_all(changes)
            state.report_hold()

    def _mine(self, state: SourceState, listed: Mapping[str, Member]) -> Mapping[str, Member]:
        """Return what is in the slice, in a turn. A source may have left the rest out already."""
        if self.slice is None:
            return listed
        known, mine = state.membership.members, {}
        for shard_id, member in listed.items():
            if known.get(shard_id) == member or self._is_mine(shard_id, member):
                mine[shard_id] = member
            self.pause()
        return mine

    def _is_mine(self, shard_id: str, member: Member) -> bool:
        return self.slice is None or self.slice.includes(shard_id, member.labels)

    def _follow_list(self, shards: Mapping[str, ShardSpec]) -> None:
        members = self._static.membership
        self.settle_all(members.read(shards, time.monotonic(), self.health_of))
        # Also what did not change: one that other code removed becomes live again.
        self.settle_all(shards, again=True)
        self._static.succeed(None, duration=None)

    def _check_missing(self) -> None:
        """Remove missing shards as soon as they may go."""
        while True:
            self._accepted.wait(CHECK_INTERVAL)
            self._accepted.clear()
            for state in self._states:
                if state.membership.missing:
                    with self.turn():
                        now = time.monotonic()
                        self.settle_all(state.membership.evaluate(now, self.health_of))
                        state.report_hold()

    def _emit(self, kind: str, source: str, message: str) -> None:
        if self._events is not None:
            self._events.emit("", kind, reason=source, message=message)
