"""InfoProviderServicer: answers queries for INFO from the newest snapshots, for any transport."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from zinfo.errors import NotPolledError, RequestError, UnknownShardError
from zinfo.info.field_reader import FieldReader
from zinfo.info.parser import Value
from zinfo.info.sections import select_sections
from zinfo.shards.prefix_set import PrefixSet
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.info_meta import NOT_AVAILABLE_AGE
from zinfo.wire.redact import redact_text

FieldSelector: TypeAlias = "Callable[[Snapshot], dict[str, Value]]"
"""Returns the requested fields of a snapshot."""


class InfoQuery(NamedTuple):
    """Which INFO a client requests.

    Attributes:
        shard_ids: only these shards; empty for every live shard that has been polled at least once.
        keys: only these fields; empty for all.
        allow_partial: whether a shard without INFO gives an entry with an error, rather than an
            exception.
        max_age: seconds; shards with older INFO are skipped. 0 for no limit.
        prefix_matching: whether `keys` are prefixes of field names.
        sections: only fields of these sections, in any case; empty for all.
        labels: only shards that have all of these labels.
        with_labels: whether `meta` has the labels of the shard.
        states: only shards in one of these states; empty for any.
    """

    shard_ids: Sequence[str] = ()
    keys: Sequence[str] = ()
    allow_partial: bool = False
    max_age: float = 0.0
    prefix_matching: bool = False
    sections: Sequence[str] = ()
    labels: Mapping[str, str] = MappingProxyType({})
    with_labels: bool = False
    states: Sequence[str] = ()

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
        with_labels: bool = False,
    ) -> InfoQuery:
        """Return the query of a call of `InfoProviderServicer.GetInfos` with these arguments.

        Raises:
            TypeError: both `keys` and `key_patterns`.
        """
        keys = tuple(keys)
        if key_patterns is not None:
            if keys:
                raise TypeError("key_patterns is an alias of keys: give one of them")
            keys = tuple(key_patterns)
        ids = tuple(shard_ids)
        return cls(ids, keys, allow_partial, max_age, prefix_matching, with_labels=with_labels)

    @property
    def wants_all_fields(self) -> bool:
        """Whether the query has no restriction on fields."""
        return not self.keys and not self.sections

    def selects(self, shard: RedisShard) -> bool:
        """Return whether the shard has the labels and the state; its id is not checked."""
        return has_labels(shard, self.labels) and has_state(shard, self.states)

    def reader(self) -> FieldReader | None:
        """Return a reader that finds the fields without parsing; None if parsing is needed."""
        by_name = self.keys and not self.sections and not self.prefix_matching
        return FieldReader(self.keys) if by_name else None

    def field_selector(self, reader: FieldReader | None = None) -> FieldSelector:
        """Return a function that selects the requested fields of a snapshot.

        The values are those of the cache, not copies.

        Args:
            reader: result of `reader`, if it was called already.
        """
        if self.wants_all_fields:
            return lambda snapshot: snapshot.info.fields
        reader = reader or self.reader()
        if reader is None:
            return self._parsing_selector()
        parse_and_select: FieldSelector | None = None  # rarely needed

        def select(snapshot: Snapshot) -> dict[str, Value]:
            nonlocal parse_and_select
            found = snapshot.read_fields(reader)
            if found is not None:
                return found
            parse_and_select = parse_and_select or self._parsing_selector()
            return parse_and_select(snapshot)

        return select

    def _parsing_selector(self) -> FieldSelector:
        matches = self._matcher()  # once for all shards

        def select(snapshot: Snapshot) -> dict[str, Value]:
            info = snapshot.info
            fields = select_sections(info, self.sections) if self.sections else info.fields
            if matches is None:
                return fields
            return {name: fields[name] for name in filter(matches, fields)}

        return select

    def _matcher(self) -> Callable[[str], bool] | None:
        """Return a predicate for the names of requested fields; None if all are requested."""
        if not self.keys:
            return None
        if self.prefix_matching:
            return PrefixSet(self.keys).matches
        return frozenset(self.keys).__contains__


class LookupResult(NamedTuple):
    """One shard of the result of a query.

    Attributes:
        shard_id: its id.
        shard: the live shard; None if no live shard has that id.
        snapshot: its newest snapshot; None if `error` is set.
        error: why there is no snapshot.
    """

    shard_id: str
    shard: RedisShard | None
    snapshot: Snapshot | None
    error: RequestError | None = None


class InfoProviderServicer:
    """Answers queries about INFO from the newest snapshots; never waits for a shard.

    Args:
        publisher: the registry of live shards.
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
        with_labels: bool = False,
    ) -> list[dict[str, Value]]:
        """Return the newest INFO of shards, without yielding to other greenlets.

        `find` returns one shard after the other, and can yield in between.

        Args:
            shard_ids: only these shards; empty for every live shard that has been polled at least
                once.
            keys: only these fields; empty for all.
            allow_partial: whether an unknown or never-polled shard gives an entry whose `meta` has
                an `error` and an `info_age` of 1e38, rather than an exception.
            max_age: seconds; shards with older INFO are skipped. 0 for no limit.
            prefix_matching: whether `keys` are prefixes of field names.
            key_patterns: deprecated alias of `keys`.
            with_labels: whether `meta` has the labels of the shard.

        Returns:
            For each shard a dict of field name to value, and `meta`, which is an `InfoMeta`. It is
            a copy: changing it does not change the cache.

        Raises:
            KeyError: unknown or never-polled shard, without `allow_partial`.
            TypeError: both `keys` and `key_patterns`.
        """
        query = InfoQuery.from_call(
            shard_ids,
            keys,
            allow_partial,
            max_age,
            prefix_matching,
            key_patterns=key_patterns,
            with_labels=with_labels,
        )
        if key_patterns is not None:
            warnings.warn("key_patterns is now called keys", DeprecationWarning, stacklevel=2)
        select = query.field_selector()
        return [build_entry(found, select, with_labels=with_labels) for found in self.find(query)]

    def find(
        self,
        query: InfoQuery,
        now: float | None = None,
        yield_point: Callable[[], None] | None = None,
    ) -> Iterator[LookupResult]:
        """Yield the shards that a query selects: in the requested order, or else by id.

        Args:
            query: selects the shards.
            now: monotonic clock relative to which `max_age` counts; None for the current time.
            yield_point: called for each shard, including skipped ones; may yield to the event loop.

        Raises:
            KeyError: unknown or never-polled shard, without `allow_partial`.
        """
        now = time.monotonic() if now is None else now
        for shard_id in query.shard_ids or self.publisher.sorted_shard_ids():
            if yield_point is not None:
                yield_point()
            found = self.select(shard_id, query, now)
            if found is not None:
                yield found

    def select(self, shard_id: str, query: InfoQuery, now: float) -> LookupResult | None:
        """Return one shard if a query selects it; None if not.

        Args:
            shard_id: its id.
            query: the query.
            now: monotonic clock relative to which `max_age` counts.

        Raises:
            KeyError: the query has the id of an unknown or never-polled shard, and not
                `allow_partial`.
        """
        found = self.lookup(shard_id)
        filters = query.labels or query.states
        if filters and found.shard is not None and not query.selects(found.shard):
            return None
        if found.snapshot is None or found.error is not None:
            if not query.shard_ids:
                return None  # removed meanwhile, or not polled yet
            if found.error is not None and not query.allow_partial:
                raise found.error
        elif 0 < query.max_age < now - found.snapshot.at:
            return None
        return found

    def lookup(self, shard_id: str) -> LookupResult:
        """Return one shard with its newest snapshot, or with the error why there is none."""
        shard = self.publisher.find_shard(shard_id)
        if shard is None:
            unknown = UnknownShardError(f"shard {redact_text(shard_id)} not found")
            return LookupResult(shard_id, None, None, unknown)
        snapshot = shard.snapshot
        if snapshot is None:
            missing = NotPolledError(f"info for shard {shard_id} not available")
            return LookupResult(shard_id, shard, None, missing)
        return LookupResult(shard_id, shard, snapshot)


def has_labels(shard: RedisShard, labels: Mapping[str, str]) -> bool:
    """Return whether the shard has all of these labels."""
    return all(shard.labels.get(name) == value for name, value in labels.items())


def has_state(shard: RedisShard, states: Collection[str]) -> bool:
    """Return whether the shard is in one of these states; True if there are none."""
    return not states or shard.state.value in states


def build_meta(found: LookupResult, *, with_labels: bool = False) -> dict[str, Value]:
    """Return the `meta` map of an entry."""
    if with_labels and found.shard is not None:
        return {**build_meta(found), "labels": dict(found.shard.labels)}
    shard, snapshot = found.shard, found.snapshot
    if snapshot is None or shard is None:
        values: dict[str, Value] = {
            "shard_identifier": found.shard_id,
            "id": found.shard_id,
            "info_age": NOT_AVAILABLE_AGE,
            "error": found.error.message if found.error else "",
        }
        if shard is not None:
            values["state"] = shard.state.value
        return values
    age = time.monotonic() - snapshot.at
    return {
        "shard_identifier": found.shard_id,
        "id": found.shard_id,
        "info_age": age if age > 0 else 0.0,  # max() would make this function a third slower
        "state": shard.state._value_,  # like `value`, but without a call
        "revision": snapshot.revision,
        "time": snapshot.time,
    }


def build_entry(
    found: LookupResult, select: FieldSelector, *, with_labels: bool = False
) -> dict[str, Value]:
    """Return one entry of a `GetInfos` result, as a copy that the caller may change."""
    fields: dict[str, Value] = {}
    if found.snapshot is not None:
        fields = {name: _copied(value) for name, value in select(found.snapshot).items()}
    fields["meta"] = build_meta(found, with_labels=with_labels)
    return fields


def _copied(value: Value) -> Value:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value
