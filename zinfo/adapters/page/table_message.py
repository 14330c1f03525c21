"""Messages of the table's stream, as JSON in pieces. Pure.

With very many shards a message has tens of megabytes. It is made and stored in pieces, so that no
step takes long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from zinfo.adapters.http.compression import join_pieces
from zinfo.adapters.http.responses import encode
from zinfo.adapters.page.readings import Facts, YieldPoint, batched

Pieces: TypeAlias = Iterable[bytes]
"""JSON, in parts."""

_BATCH: Final = 256  # items encoded between two yield points
_PIECE_BYTES: Final = 1 << 17  # to send a piece costs 20 us


class Message(NamedTuple):
    """A server-sent event.

    Attributes:
        pieces: its bytes.
        size: number of bytes.
    """

    pieces: tuple[bytes, ...]
    size: int


def message(
    head: Mapping[str, object], members: Iterable[tuple[str, Pieces]], yield_point: YieldPoint
) -> Message:
    """Return a message.

    Args:
        head: its first members; not empty.
        members: names and encoded values of the others.
        yield_point: called repeatedly.
    """

    def pieces() -> Iterator[bytes]:
        yield b"event: table\ndata: " + encode(head)[:-1]
        for name, value in members:
            yield b',"%b":' % name.encode()
            yield from value
        yield b"}\n\n"

    found = []
    for piece in join_pieces(pieces(), _PIECE_BYTES):
        yield_point()
        found.append(piece)
    return Message(tuple(found), sum(map(len, found)))


def plain(value: object) -> Pieces:
    """Return a short value."""
    return (encode(value),)


def facts_of_shards(
    positions: Sequence[int],
    numbers: Sequence[int],
    facts: Sequence[Facts | None],
    yield_point: YieldPoint,
) -> Pieces:
    """Yield an object with the facts of some shards by their numbers.

    Args:
        positions: of the shards.
        numbers: of all shards, by position.
        facts: of all shards, by position; those of `positions` are known.
        yield_point: called repeatedly.
    """
    separator = b"{"
    for at in batched(positions, yield_point):
        one = facts[at]
        assert one is not None
        yield separator + b'"%d":' % numbers[at] + encode(one._asdict())
        separator = b","
    yield b"}" if positions else b"{}"


def values_of_shards(
    positions: Sequence[int],
    values: Sequence[object],
    numbers: Sequence[int],
    yield_point: YieldPoint,
) -> Pieces:
    """Yield an object with the numbers of some shards, and a value for each.

    Args:
        positions: of the shards.
        values: of these.
        numbers: of all shards, by position.
        yield_point: called repeatedly.
    """
    yield b'{"at":'
    yield from _array([numbers[at] for at in batched(positions, yield_point)], yield_point)
    yield b',"values":'
    yield from _array(values, yield_point)
    yield b"}"


def joined(members: Iterable[tuple[str, Pieces]]) -> Pieces:
    """Yield an object of encoded values by name."""
    separator = b"{"
    for name, value in members:
        yield separator + encode(name) + b":"
        yield from value
        separator = b","
    yield b"}" if separator == b"," else b"{}"


def _array(items: Sequence[object], yield_point: YieldPoint) -> Pieces:
    separator = b"["
    for start in range(0, len(items), _BATCH):
        yield_point()
        yield separator + encode(items[start : start + _BATCH])[1:-1]
        separator = b","
    yield b"]" if items else b"[]"
