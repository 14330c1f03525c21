"""Finds the blocks in a recording's file, up to the last complete one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from zinfo.errors import RecordingError
from zinfo.recording.frames import (
    HEADER_BYTES,
    MAGIC,
    MARKER,
    BlockHeader,
    decode_header,
    is_intact,
)

_SEARCH_BYTES = 1 << 20  # bytes read at once in the search for a marker


@dataclass(frozen=True, slots=True)
class Block:
    """A complete block.

    Attributes:
        position: of its first byte in the file.
        header: its header.
        packed: the compressed frames.
    """

    position: int
    header: BlockHeader
    packed: bytes

    @property
    def end(self) -> int:
        """Position of the byte after the block."""
        return self.position + HEADER_BYTES + len(self.packed)


def check_magic(file: BinaryIO, name: str) -> bool:
    """Check the first bytes of a file.

    Args:
        file: at any position.
        name: of the file, for the error.

    Returns:
        Whether the magic is complete; False where the file ends within it.

    Raises:
        RecordingError: the file is not a recording, or one of another version.
    """
    file.seek(0)
    magic = file.read(len(MAGIC))
    if magic == MAGIC:
        return True
    if MAGIC.startswith(magic):
        return False
    if magic[:-2] == MAGIC[:-2]:
        raise RecordingError(
            f"{name}: a recording of version {magic[-2]}; this zinfo reads version {MAGIC[-2]}"
        )
    raise RecordingError(f"{name}: not a recording of zinfo")


def walk(file: BinaryIO, position: int = len(MAGIC)) -> Iterator[Block]:
    """Yield the blocks from a position on, up to the first bytes that are not a complete block.

    Args:
        file: the recording.
        position: where a block begins.
    """
    while True:
        block = _block_at(file, position)
        if block is None:
            return
        yield block
        position = block.end


def ends_in_unfinished_block(file: BinaryIO, position: int) -> bool:
    """Return whether only an unfinished block follows the last complete one.

    Where complete blocks follow, the file was damaged in another way.

    Args:
        file: the recording.
        position: of the byte after the last complete block.
    """
    position += 1
    while True:
        file.seek(position)
        data = file.read(_SEARCH_BYTES)
        found = data.find(MARKER)
        if found >= 0:
            if _block_at(file, position + found) is not None:
                return False
            position += found + 1
        elif len(data) < _SEARCH_BYTES:
            return True
        else:
            position += len(data) - len(MARKER) + 1


def _block_at(file: BinaryIO, position: int) -> Block | None:
    file.seek(position)
    data = file.read(HEADER_BYTES)
    header = decode_header(data)
    if header is None:
        return None
    packed = file.read(header.packed)
    return Block(position, header, packed) if is_intact(data, header, packed) else None
