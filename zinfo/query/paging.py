"""Pages: the part of a long result that fits one reply, and the cursor of the next part."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from zinfo.errors import BadRequestError, TooLargeError
from zinfo.wire.codec import array_header

Entry: TypeAlias = "tuple[bytes, ...]"
"""Parts of an encoded entry, in order, so that a large one is copied only once, into the page."""

LONGEST_HEADER = 5
"""Maximum size of the header of a msgpack array, in bytes."""


class Block(NamedTuple):
    """Encoded entries that belong to the same page.

    Attributes:
        parts: the encoded entries.
        after: cursor of the page that begins after them.
        number: of entries.
    """

    parts: Entry
    after: str
    number: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a result in one reply.

    Attributes:
        body: msgpack array of the entries.
        cursor: of the next page; None for the last page.
    """

    body: bytes
    cursor: str | None


def ids_from(
    requested: Sequence[str], live: Sequence[str], cursor: str | None
) -> Iterator[tuple[str, str]]:
    """Yield shard ids from a cursor on, each with the cursor of the page that begins after it.

    The cursor is a position for requested ids, which may contain duplicates. For live ids it is the
    last id, so that shards may be added and removed between two pages.

    Args:
        requested: the ids in the request; empty for all live ones.
        live: the live ids, sorted.
        cursor: of the request; None for the first page.

    Raises:
        BadRequestError: the cursor is not from a reply to this query.
    """
    if requested:
        try:
            first = int(cursor or 0)
        except ValueError:
            raise BadRequestError("cursor is not from a reply to this query") from None
        for position in range(max(first, 0), len(requested)):
            yield requested[position], str(position + 1)
    else:
        for shard_id in ids_after(live, cursor):
            yield shard_id, shard_id


def ids_after(live: Sequence[str], cursor: str | None) -> Sequence[str]:
    """Return the sorted live ids from a cursor on."""
    return live[bisect_right(live, cursor) if cursor else 0 :]


def build_page(
    blocks: Iterator[Block],
    *,
    limit: int,
    target_bytes: int,
    max_bytes: int,
    yield_point: Callable[[], None],
) -> Page:
    """Return one page of encoded entries.

    Args:
        blocks: the entries.
        limit: maximum number of entries; 0 for as many as fit.
        target_bytes: maximum size of the body if it has more than one entry.
        max_bytes: maximum size of the body.
        yield_point: called after each block; may yield to the event loop.

    Raises:
        TooLargeError: a single entry is larger than `max_bytes`.
    """
    parts = [b""]  # placeholder for the header
    number, size, cursor = 0, LONGEST_HEADER, None
    for block in blocks:
        length = sum(map(len, block.parts))
        if number and (size + length > target_bytes or 0 < limit < number + block.number):
            break
        if size + length > max_bytes:
            raise TooLargeError(
                f"one entry takes {size + length} bytes, the limit is {max_bytes}: request fewer "
                "fields with keys"
            )
        parts += block.parts
        number += block.number
        size += length
        cursor = block.after
        yield_point()
    else:
        cursor = None
    parts[0] = array_header(number)
    yield_point()  # copying the page, and again to send it, takes as long as half a slice
    return Page(b"".join(parts), cursor)
