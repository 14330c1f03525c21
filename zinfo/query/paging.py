"""Pages: the part of a long answer that fits one reply, and where the next part begins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from zinfo.errors import BadRequestError, TooLargeError
from zinfo.wire.codec import array_header

Entry: TypeAlias = "tuple[bytes, ...]"
"""Parts of an encoded entry, in their order: large ones are copied once, into the page."""

LONGEST_HEADER = 5  # bytes, of an array


class Block(NamedTuple):
    """Entries that stand in one page.

    Attributes:
        parts: the encoded entries.
        after: the cursor of the page that begins after them.
        number: of entries.
    """

    parts: Entry
    after: str
    number: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """One reply's worth of an answer.

    Attributes:
        body: msgpack array of the entries.
        cursor: where the next page begins; None where this is the last.
    """

    body: bytes
    cursor: str | None


def ids_from(
    asked: Sequence[str], live: Sequence[str], cursor: str | None
) -> Iterator[tuple[str, str]]:
    """Return shard ids from a cursor on, each with the cursor of the page that begins after it.

    Ids that were asked for are counted, since one may stand there twice; live ones are taken in
    their order, so that shards may come and go between two pages.

    Args:
        asked: the ids of the request; empty for all live ones.
        live: the live ids, sorted.
        cursor: of the request; None at the first page.

    Raises:
        BadRequestError: a cursor that this request did not give.
    """
    if asked:
        try:
            first = int(cursor or 0)
        except ValueError:
            raise BadRequestError("cursor is not one of this query") from None
        for position in range(max(first, 0), len(asked)):
            yield asked[position], str(position + 1)
    else:
        for shard_id in ids_after(live, cursor):
            yield shard_id, shard_id


def ids_after(live: Sequence[str], cursor: str | None) -> Sequence[str]:
    """Return the live ids, which are sorted, from a cursor on."""
    return live[bisect_right(live, cursor) if cursor else 0 :]


def collect(
    blocks: Iterator[Block],
    *,
    most: int,
    enough: int,
    max_bytes: int,
    yield_point: Callable[[], None],
) -> Page:
    """Return one page of encoded entries.

    Args:
        blocks: the entries.
        most: entries in a page, at most; 0 for as many as fit.
        enough: bytes of the body, beyond which it has no more than one entry.
        max_bytes: bytes of the body, at most.
        yield_point: called after each block; may let other work have its turn.

    Raises:
        TooLargeError: one entry alone is over the bound.
    """
    parts = [b""]  # the header's place
    number, size, cursor = 0, LONGEST_HEADER, None
    for block in blocks:
        length = sum(map(len, block.parts))
        if number and (size + length > enough or (most and number + block.number > most)):
            break
        if size + length > max_bytes:
            raise TooLargeError(
                f"one entry has {length} bytes, over the bound of {max_bytes}: ask for keys"
            )
        parts += block.parts
        number += block.number
        size += length
        cursor = block.after
        yield_point()
    else:
        cursor = None
    parts[0] = array_header(number)
    return Page(b"".join(parts), cursor)
