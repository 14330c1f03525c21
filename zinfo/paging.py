"""Pages: the part of a long answer that fits one reply, and where the next part begins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from zinfo.errors import BadRequestError, TooLargeError
from zinfo.protocol import array_header

Entry: TypeAlias = "tuple[bytes, ...]"
"""Parts of an encoded entry, in their order: large ones are copied once, into the page."""

_LONGEST_HEADER = 5  # bytes, of an array


@dataclass(frozen=True, slots=True)
class Page:
    """One reply's worth of an answer.

    Attributes:
        body: msgpack array of the entries.
        cursor: where the next page begins; None where this is the last.
    """

    body: bytes
    cursor: str | None


def start_of(
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
        for position in range(bisect_right(live, cursor) if cursor else 0, len(live)):
            yield live[position], live[position]


def collect(
    entries: Iterator[tuple[Entry, str]],
    *,
    most: int,
    max_bytes: int,
    breathe: Callable[[], None],
) -> Page:
    """Return one page of encoded entries.

    Args:
        entries: each with the cursor of the page that begins after it.
        most: entries in a page, at most; 0 for as many as fit.
        max_bytes: bytes of the body, at most.
        breathe: called after each entry; may let other work have its turn.

    Raises:
        TooLargeError: one entry alone is over the bound.
    """
    parts = [b""]  # the header's place
    number, size, cursor = 0, _LONGEST_HEADER, None
    for entry, after in entries:
        length = sum(map(len, entry))
        full = size + length > max_bytes or (most and number == most)
        if full and number:
            break
        if full:
            raise TooLargeError(
                f"one entry has {length} bytes, over the bound of {max_bytes}: ask for keys"
            )
        parts += entry
        number += 1
        size += length
        cursor = after
        breathe()
    else:
        cursor = None
    parts[0] = array_header(number)
    return Page(b"".join(parts), cursor)
