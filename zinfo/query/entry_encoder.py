"""EntryEncoder: the entries of a `get_infos` reply as msgpack: fields and `meta` of each shard."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

from zinfo.info.field_reader import FieldReader
from zinfo.query.paging import Block, Entry, ids_after, ids_from
from zinfo.query.servicer import InfoProviderServicer, InfoQuery, LookupResult, build_meta
from zinfo.security.rights import Rights
from zinfo.wire.codec import map_header, pack_fields

_BATCH = 64  # shards encoded between two yield points, which takes a tenth of a millisecond
_MAP_HEADER = len(map_header(1))


class EntryEncoder:
    """Encodes the entries of one reply.

    Args:
        servicer: looks up the shards.
        query: selects shards and fields.
        rights: of the client.
        requested_at: monotonic clock at the arrival of the request.
        yield_point: called for skipped shards; may yield to the event loop.
    """

    def __init__(
        self,
        servicer: InfoProviderServicer,
        query: InfoQuery,
        rights: Rights,
        requested_at: float,
        yield_point: Callable[[], None],
    ) -> None:
        self._servicer = servicer
        self._query = query
        self._rights = rights
        self._requested_at = requested_at
        self._yield_point = yield_point
        # The reader would write a field named `meta` in addition to the `meta` of the entry.
        self._reader = None if "meta" in query.keys else query.reader()
        self._encode = self._encoder()

    def blocks(
        self, live: Sequence[str], cursor: str | None, limit: int, max_bytes: int
    ) -> Iterator[Block]:
        """Yield the entries of one page, and one more if there are more.

        Args:
            live: sorted ids of the live shards that the client can see.
            cursor: start of the page; None for the first page.
            limit: maximum number of entries in the page; 0 for no limit.
            max_bytes: maximum size of a page.

        Raises:
            RequestError: the cursor is invalid, or a requested shard is unknown.
        """
        reader, query = self._reader, self._query
        special = query.shard_ids or query.labels or query.with_labels or query.states
        plain = not (special or self._rights.hidden_fields)
        if plain and reader is not None and reader.encodes_many:
            return self._in_batches(reader, ids_after(live, cursor), limit, max_bytes)
        return self._one_by_one(ids_from(query.shard_ids, live, cursor))

    def _one_by_one(self, ids: Iterator[tuple[str, str]]) -> Iterator[Block]:
        for shard_id, after in ids:
            found = self._servicer.select(shard_id, self._query, self._requested_at)
            if found is None:
                self._yield_point()
            else:
                yield Block(self._encode(found), after)

    def _in_batches(
        self, reader: FieldReader, live: Sequence[str], limit: int, max_bytes: int
    ) -> Iterator[Block]:
        oldest = self._requested_at - (self._query.max_age or math.inf)
        position = number = 0
        while position < len(live):
            ids = list(live[position : position + _BATCH])
            most = max(min(len(ids), limit - number), 1) if limit else len(ids)
            packed, written, taken = reader.encode_many(
                ids,
                list(map(self._servicer.publisher.find_shard, ids)),
                now=time.monotonic(),
                oldest=oldest,
                most=most,
                room=max_bytes,
            )
            if written:
                yield Block((packed,), ids[taken - 1], written)
            elif taken < len(ids):
                # The reader cannot encode this shard.
                for block in self._one_by_one(iter([(ids[taken], ids[taken])])):
                    written = 1
                    yield block
                taken += 1
            else:
                self._yield_point()
            position += taken
            number += written

    def _encoder(self) -> Callable[[LookupResult], Entry]:
        query, rights, reader = self._query, self._rights, self._reader
        select, with_labels = query.field_selector(reader), query.with_labels

        def encode(found: LookupResult) -> Entry:
            snapshot = found.snapshot
            meta = {"meta": build_meta(found, with_labels=with_labels)}
            if snapshot is None:
                return (pack_fields(meta),)
            if rights.hidden_fields:
                return (pack_fields({**rights.visible_fields(select(snapshot)), **meta}),)
            if query.wants_all_fields:
                count, pairs = snapshot.encoded()
                return map_header(count + 1), pairs, pack_fields(meta)[_MAP_HEADER:]
            encoded = reader.encode(snapshot.raw, meta) if reader and snapshot.raw else None
            return (encoded or pack_fields({**select(snapshot), **meta}),)

        return encode
