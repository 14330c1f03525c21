"""The operations about shards: `get_infos`, `shards` and `snapshot`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import gevent

from zinfo.errors import BadRequestError
from zinfo.info.encoder import pack_pairs
from zinfo.info.field_reader import FieldReader
from zinfo.query.arguments import MAX_SECTIONS, MAX_TOPICS
from zinfo.query.call import Call, OperationResult
from zinfo.query.entry_encoder import EntryEncoder
from zinfo.query.paging import LONGEST_HEADER, Block, Entry, ids_from
from zinfo.query.servicer import InfoProviderServicer, InfoQuery, has_labels, has_state
from zinfo.security.rights import Rights
from zinfo.shards.prefix_set import PrefixSet
from zinfo.shards.shard import RedisShard
from zinfo.shards.source import SnapshotSource
from zinfo.wire.bus_messages import KIND_DELTA, KIND_INFO, topic
from zinfo.wire.codec import map_header, pack, pack_fields

_INFO = pack("info")


class ShardOperations:
    """Runs the operations about shards.

    Args:
        servicer: answers queries for INFO.
        poller: polls on demand, and has the lifecycle events.
    """

    def __init__(self, servicer: InfoProviderServicer, poller: SnapshotSource) -> None:
        self._servicer = servicer
        self._publisher = servicer.publisher
        self._poller = poller
        self._events = poller.events

    def get_infos(self, call: Call) -> OperationResult:
        """Return INFO of shards, after polling them if `refresh` is set."""
        args = call.args
        query = InfoQuery(
            shard_ids=args.ids("shard_ids"),
            keys=args.texts("keys"),
            allow_partial=args.flag("allow_partial"),
            max_age=args.seconds("max_age"),
            prefix_matching=args.flag("prefix_matching"),
            sections=args.texts("sections", MAX_SECTIONS),
            labels=args.labels("labels"),
            with_labels=args.flag("with_labels"),
            states=args.states("state"),
        )
        refresh, limit, cursor = args.flag("refresh"), args.count("limit"), args.text("cursor")
        args.reject_unknown()
        call.require_visible(query.shard_ids)
        requested_at = time.monotonic()
        if refresh:
            self._refresh(query, requested_at, call)
        encoder = EntryEncoder(self._servicer, query, call.rights, requested_at, call.yield_point)
        live = () if query.shard_ids else self._visible_ids(call.rights)
        max_bytes = call.limits.page_bytes - LONGEST_HEADER
        return call.page(encoder.blocks(live, cursor, limit, max_bytes), limit)

    def _visible_ids(self, rights: Rights) -> Sequence[str]:
        return rights.visible_shards(self._publisher.sorted_shard_ids())

    def _refresh(self, query: InfoQuery, requested_at: float, call: Call) -> None:
        """Poll the shards whose INFO is older than `max_age`, and wait for the polls."""
        until = requested_at + min(call.wait, call.limits.refresh_timeout)
        polls = []
        for shard_id in dict.fromkeys(query.shard_ids) or self._visible_ids(call.rights):
            call.yield_point()
            found = self._servicer.lookup(shard_id)
            if found.shard is None or not query.selects(found.shard):
                continue
            if found.snapshot is None or requested_at - found.snapshot.at >= query.max_age:
                done = self._poller.refresh(shard_id, call.limits.min_refresh_interval)
                if done is not None:
                    polls.append(done)
        for done in polls:  # one after the other: gevent.wait() is slow for thousands of events
            call.yield_point()
            if not done.is_set():
                done.wait(max(until - time.monotonic(), 0))

    def shards(self, call: Call) -> OperationResult:
        """Return identity, state and polling status of shards."""
        args, rights = call.args, call.rights
        ids, labels, states = args.shard_ids(), args.labels("labels"), args.states("state")
        limit, cursor = args.count("limit"), args.text("cursor")
        args.reject_unknown()
        blocks = (
            Block((pack(rights.visible_attributes(describe(shard))),), after)
            for shard, after in self._select(ids, labels, cursor, call)
            if has_state(shard, states)
        )
        return call.page(blocks, limit)

    def snapshot(self, call: Call) -> OperationResult:
        """Return all that a mirror needs of shards: their INFO, state and sequence numbers."""
        args, rights = call.args, call.rights
        ids, labels = args.shard_ids(), args.labels("labels")
        topics, keys = args.texts("topics", MAX_TOPICS), args.texts("keys")
        reader = FieldReader(keys) if keys else None
        limit, cursor = args.count("limit"), args.text("cursor")
        args.reject_unknown()
        if ids and topics:
            raise BadRequestError("shard_ids and topics cannot be combined")
        prefixes = PrefixSet(text.encode("utf-8", "replace") for text in topics)
        number = self._events.newest
        blocks = (
            Block(self._encode_snapshot(shard, rights, reader), after)
            for shard, after in self._select(ids, labels, cursor, call)
            if not topics or _has_topic(shard.id, prefixes)
        )
        result = call.page(blocks, limit)
        return OperationResult(result.body, {**result.extra, "number": number})

    def _select(
        self, ids: tuple[str, ...], labels: Mapping[str, str], cursor: str | None, call: Call
    ) -> Iterator[tuple[RedisShard, str]]:
        """Yield shards from a cursor on, each with the cursor of the page after it."""
        call.require_visible(ids)
        live = () if ids else self._visible_ids(call.rights)
        for shard_id, after in ids_from(ids, live, cursor):
            call.yield_point()  # before the filters: they may skip every shard
            if not ids and shard_id not in self._publisher:
                continue  # removed since the list was made
            shard = self._publisher.get_shard(shard_id)
            if has_labels(shard, labels):
                yield shard, after

    def _encode_snapshot(
        self, shard: RedisShard, rights: Rights, reader: FieldReader | None
    ) -> Entry:
        snapshot = shard.snapshot
        values = rights.visible_attributes(describe(shard))
        values["shard"] = shard.id
        values["time"] = snapshot.time if snapshot else None
        values["seq"] = self._events.seq(shard.id)
        number, pairs = pack_pairs(values)
        head = map_header(number + 1) + pairs + _INFO
        if snapshot is None:
            return (head + pack(None),)
        if reader is not None:
            return head, pack_fields(rights.visible_fields(snapshot.some_fields(reader)))
        if rights.hidden_fields:
            return head, pack_fields(rights.visible_fields(snapshot.all_fields()))
        count, encoded = snapshot.encoded()
        return head + map_header(count), encoded


def describe(shard: RedisShard) -> dict[str, object]:
    """Return the entry of a shard in the reply of the `shards` operation."""
    return {
        "id": shard.id,
        "shard_identifier": shard.id,
        "labels": shard.labels,
        "state": shard.state.value,
        "reason": shard.reason,
        "since": shard.since,
        "role": shard.role,
        "version": shard.version,
        "run_id": shard.run_id,
        "interval": interval_of(shard),
        "age": shard.info_age,
        "revision": shard.revision,
        "failures": shard.failures,
        "error": shard.last_error,
    }


def interval_of(shard: RedisShard) -> float | None:
    """Return the seconds until the next poll of a shard; None where its class fails to say."""
    try:
        return float(shard.polling_interval())
    except (Exception, gevent.Timeout):  # from the code of a subclass; the poller reports it
        return None


def _has_topic(shard_id: str, prefixes: PrefixSet[bytes]) -> bool:
    return any(prefixes.matches(topic(kind, shard_id)) for kind in (KIND_INFO, KIND_DELTA))
