"""What `get_infos` tells of each shard, as msgpack: its fields and its `meta`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

from zinfo.info.field_reader import FieldReader
from zinfo.query.paging import Block, Entry, rest_of, start_of
from zinfo.query.servicer import Found, InfoProviderServicer, InfoQuery, meta
from zinfo.security.rights import Rights
from zinfo.wire.codec import map_header, pack_fields

_MANY = 64  # shards between two looks at whether others wait: a tenth of a millisecond
_MAP_HEADER = len(map_header(1))


class InfoEntries:
    """Writes the entries of one answer.

    Args:
        servicer: knows the shards.
        query: which of them, and which fields.
        rights: of the client that asks.
        asked_at: monotonic clock when it did.
        yield_point: called at shards that are left out; may let other work have its turn.
    """

    def __init__(
        self,
        servicer: InfoProviderServicer,
        query: InfoQuery,
        rights: Rights,
        asked_at: float,
        yield_point: Callable[[], None],
    ) -> None:
        self._servicer = servicer
        self._query = query
        self._rights = rights
        self._asked_at = asked_at
        self._yield_point = yield_point
        # A field named like what is told beside the fields would stand there twice.
        self._reader = None if "meta" in query.keys else query.reader()
        self._encode = self._encoder()

    def blocks(
        self, live: Sequence[str], cursor: str | None, most: int, room: int
    ) -> Iterator[Block]:
        """Return the entries of one page, and what shows whether there are more.

        Args:
            live: ids of the live shards that the client may see, sorted.
            cursor: where the page begins; None at the beginning.
            most: entries in the page, at most; 0 for any number.
            room: bytes, at most.

        Raises:
            RequestError: a cursor that is none, or a shard asked for of which nothing is known.
        """
        reader, query = self._reader, self._query
        plain = not (query.shard_ids or query.labels or self._rights.hidden_fields)
        if plain and reader is not None and reader.encodes_many:
            return self._many(reader, rest_of(live, cursor), most, room)
        return self._each(start_of(query.shard_ids, live, cursor))

    def _each(self, ids: Iterator[tuple[str, str]]) -> Iterator[Block]:
        for shard_id, after in ids:
            found = self._servicer.consider(shard_id, self._query, self._asked_at)
            if found is None:
                self._yield_point()
            else:
                yield Block(self._encode(found), after)

    def _many(
        self, reader: FieldReader, live: Sequence[str], most: int, room: int
    ) -> Iterator[Block]:
        oldest = self._asked_at - (self._query.max_age or math.inf)
        place = number = 0
        while place < len(live):
            ids = list(live[place : place + _MANY])
            wanted = max(min(len(ids), most - number), 1) if most else len(ids)
            packed, written, taken = reader.encode_many(
                ids,
                list(map(self._servicer.publisher.find_shard, ids)),
                now=time.monotonic(),
                oldest=oldest,
                most=wanted,
                room=room,
            )
            if written:
                yield Block((packed,), ids[taken - 1], written)
            elif taken < len(ids):
                for block in self._each(iter([(ids[taken], ids[taken])])):
                    written = 1
                    yield block
                taken += 1
            else:
                self._yield_point()
            place += taken
            number += written

    def _encoder(self) -> Callable[[Found], Entry]:
        query, rights, reader = self._query, self._rights, self._reader
        pick = query.picker(reader)

        def encode(found: Found) -> Entry:
            snapshot, told = found.snapshot, {"meta": meta(found)}
            if snapshot is None:
                return (pack_fields(told),)
            if rights.hidden_fields:
                return (pack_fields({**rights.visible_fields(pick(snapshot)), **told}),)
            if query.wants_all_fields:
                count, pairs = snapshot.encoded()
                return map_header(count + 1), pairs, pack_fields(told)[_MAP_HEADER:]
            encoded = reader.encode(snapshot.raw, told) if reader and snapshot.raw else None
            return (encoded or pack_fields({**pick(snapshot), **told}),)

        return encode
