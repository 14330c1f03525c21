"""InfoProviderServicer: answers questions about INFO from the cache, free of any transport."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from zinfo.errors import NotPolledError, RequestError, UnknownShardError
from zinfo.info.field_reader import FieldReader
from zinfo.info.parser import Value, section_fields
from zinfo.shards.prefix_set import PrefixSet
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.query_messages import NOT_AVAILABLE_AGE
from zinfo.wire.redact import redact_text

Picker: TypeAlias = "Callable[[Snapshot], dict[str, Value]]"


class InfoQuery(NamedTuple):
    """Which INFO is wanted.

    Attributes:
        shard_ids: of these shards; empty for every live shard that has been polled at least once.
        keys: only these fields; empty for all.
        allow_partial: whether a shard without INFO gives an entry that says so, rather than an
            error.
        max_age: seconds; what is older is left out. 0 takes all.
        prefix_matching: whether `keys` are beginnings of field names.
        sections: only fields of these sections, upper and lower case the same; empty for all.
        labels: only shards that have all of these labels.
    """

    shard_ids: Sequence[str] = ()
    keys: Sequence[str] = ()
    allow_partial: bool = False
    max_age: float = 0.0
    prefix_matching: bool = False
    sections: Sequence[str] = ()
    labels: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def from_call(
        cls,
        shard_ids: Iterable[str] = (),
        keys: Iterable[str] = (),
        allow_partial: bool = False,
        max_age: float = 0.0,
        prefix_matching: bool = False,
        *,
        key_patterns: Iterable[str] | None = None,
    ) -> InfoQuery:
        """Return what a call of `InfoProviderServicer.GetInfos` with these arguments asks for.

        Raises:
            TypeError: both `keys` and `key_patterns`.
        """
        keys = tuple(keys)
        if key_patterns is not None:
            if keys:
                raise TypeError("key_patterns is an alias of keys: give one of them")
            keys = tuple(key_patterns)
        return cls(tuple(shard_ids), keys, allow_partial, max_age, prefix_matching)

    @property
    def wants_all_fields(self) -> bool:
        """Whether nothing narrows the fields."""
        return not self.keys and not self.sections

    def reader(self) -> FieldReader | None:
        """Return what finds the wanted fields without a parse; None where only that can tell."""
        by_name = self.keys and not self.sections and not self.prefix_matching
        return FieldReader(self.keys) if by_name else None

    def picker(self, reader: FieldReader | None = None) -> Picker:
        """Return what takes the wanted fields out of a snapshot; their values are the cache's.

        Args:
            reader: what `reader` returned, where it was called already.
        """
        if self.wants_all_fields:
            return lambda snapshot: snapshot.info.fields
        reader = reader or self.reader()
        if reader is None:
            return self._parsing_picker()
        parse_and_pick: Picker | None = None  # seldom needed

        def pick(snapshot: Snapshot) -> dict[str, Value]:
            nonlocal parse_and_pick
            found = snapshot.read_fields(reader)
            if found is not None:
                return found
            parse_and_pick = parse_and_pick or self._parsing_picker()
            return parse_and_pick(snapshot)

        return pick

    def _parsing_picker(self) -> Picker:
        matches = self._matcher()  # once, whatever the number of shards

        def pick(snapshot: Snapshot) -> dict[str, Value]:
            info = snapshot.info
            names: Iterable[str] = info.fields
            if self.sections:
                names = section_fields(info, self.sections)
            if matches is not None:
                names = filter(matches, names)
            return {name: info.fields[name] for name in names}

        return pick

    def _matcher(self) -> Callable[[str], bool] | None:
        """Return what tells whether a field's name is wanted; None where each is."""
        if not self.keys:
            return None
        if self.prefix_matching:
            return PrefixSet(self.keys).matches
        return frozenset(self.keys).__contains__


class Found(NamedTuple):
    """One shard of an answer.

    Attributes:
        shard_id: its id.
        shard: the live shard; None where there is none of that id.
        snapshot: its newest INFO; None where `error` is set.
        error: why there is no INFO.
    """

    shard_id: str
    shard: RedisShard | None
    snapshot: Snapshot | None
    error: RequestError | None = None


class InfoProviderServicer:
    """Answers from the cache; never waits for a shard.

    Args:
        publisher: says which shards are live.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self.publisher = publisher

    def GetInfos(
        self,
        shard_ids: Sequence[str] = (),
        keys: Sequence[str] = (),
        allow_partial: bool = False,
        max_age: float = 0.0,
        prefix_matching: bool = False,
        *,
        key_patterns: Sequence[str] | None = None,
    ) -> list[dict[str, Value]]:
        """Return the newest INFO of shards, all in one go: other greenlets wait meanwhile.

        `find` gives one shard after the other, and others their turn in between.

        Args:
            shard_ids: of these shards; empty for every live shard that has been polled at least
                once.
            keys: only these fields; empty for all.
            allow_partial: whether an unknown or never-polled shard gives an entry whose `meta` has
                an `error` and an `info_age` of 1e38, rather than an exception.
            max_age: seconds; what is older is left out. 0 takes all.
            prefix_matching: whether `keys` are beginnings of field names.
            key_patterns: deprecated alias of `keys`.

        Returns:
            For each shard a dict of field to value, and `meta` with `shard_identifier`, `info_age`
            (seconds), `state`, `revision`, `time` and, where partial, `error`. It is the caller's
            own: changing it never changes the cache.

        Raises:
            KeyError: unknown or never-polled shard, without `allow_partial`.
            TypeError: both `keys` and `key_patterns`.
        """
        query = InfoQuery.from_call(
            shard_ids, keys, allow_partial, max_age, prefix_matching, key_patterns=key_patterns
        )
        if key_patterns is not None:
            warnings.warn("key_patterns is now called keys", DeprecationWarning, stacklevel=2)
        pick = query.picker()
        return [entry(found, pick) for found in self.find(query)]

    def find(
        self,
        query: InfoQuery,
        now: float | None = None,
        yield_point: Callable[[], None] | None = None,
    ) -> Iterator[Found]:
        """Return what a query is about, shard by shard: in the order asked, else by id.

        Args:
            query: the question.
            now: monotonic clock from which `max_age` counts; the present where None.
            yield_point: called at each shard, also one that is left out; may yield to other work.

        Raises:
            KeyError: unknown or never-polled shard, without `allow_partial`.
        """
        now = time.monotonic() if now is None else now
        for shard_id in query.shard_ids or self.publisher.sorted_shard_ids():
            if yield_point is not None:
                yield_point()
            found = self.consider(shard_id, query, now)
            if found is not None:
                yield found

    def consider(self, shard_id: str, query: InfoQuery, now: float) -> Found | None:
        """Return what a query gets of one shard; None where the query leaves it out.

        Raises:
            KeyError: asked for by id, unknown or never polled, and `allow_partial` is not set.
        """
        found = self.look_up(shard_id)
        if query.labels and found.shard is not None and not has_labels(found.shard, query.labels):
            return None
        if found.snapshot is None or found.error is not None:
            if not query.shard_ids:
                return None  # gone since, or not polled yet
            if found.error is not None and not query.allow_partial:
                raise found.error
        elif 0 < query.max_age < now - found.snapshot.at:
            return None
        return found

    def look_up(self, shard_id: str) -> Found:
        """Return one shard with its newest INFO, or with the error that says why there is none."""
        shard = self.publisher.find_shard(shard_id)
        if shard is None:
            unknown = UnknownShardError(f"shard {redact_text(shard_id)} not found")
            return Found(shard_id, None, None, unknown)
        snapshot = shard.snapshot
        if snapshot is None:
            missing = NotPolledError(f"info for shard {shard_id} not available")
            return Found(shard_id, shard, None, missing)
        return Found(shard_id, shard, snapshot)


def has_labels(shard: RedisShard, labels: Mapping[str, str]) -> bool:
    """Return whether the shard has all of these labels."""
    return all(shard.labels.get(name) == value for name, value in labels.items())


def meta(found: Found) -> dict[str, Value]:
    """Return the `meta` map of an entry."""
    shard, snapshot = found.shard, found.snapshot
    if snapshot is None or shard is None:
        values: dict[str, Value] = {
            "shard_identifier": found.shard_id,
            "info_age": NOT_AVAILABLE_AGE,
            "error": found.error.message if found.error else "",
        }
        if shard is not None:
            values["state"] = shard.state.value
        return values
    age = time.monotonic() - snapshot.at
    return {
        "shard_identifier": found.shard_id,
        "info_age": age if age > 0 else 0.0,  # max() costs as much as a third of all this
        "state": shard.state._value_,  # as `value` is, without a call
        "revision": snapshot.revision,
        "time": snapshot.time,
    }


def entry(found: Found, pick: Picker) -> dict[str, Value]:
    """Return one INFO dict of an answer, the caller's own."""
    fields: dict[str, Value] = {}
    if found.snapshot is not None:
        fields = {name: _own(value) for name, value in pick(found.snapshot).items()}
    fields["meta"] = meta(found)
    return fields


def _own(value: Value) -> Value:
    if isinstance(value, dict):
        return {name: _own(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_own(item) for item in value]
    return value
