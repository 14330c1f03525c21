"""Recording: reads a recording's file as typed updates.

from zinfo.recording import Recording

with Recording("incident.zrec") as recording:
    for moment in recording:
        print(moment.at, moment.update)
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zinfo.client.updates import Update
from zinfo.errors import ProtocolError, RecordingError
from zinfo.recording.blocks import Block, check_magic, walk
from zinfo.recording.bounds import Bounds
from zinfo.recording.frames import MAGIC, STARTS_SEGMENT, decode_frames, unpack_block
from zinfo.recording.segments import LabelUpdate, Moment, MomentDecoder, Segment


@dataclass(frozen=True, slots=True)
class Summary:
    """Times and sizes of a recording.

    Attributes:
        begin: the recorder's wall clock at the first frame, seconds since the Unix epoch; 0 in an
            empty recording.
        end: the same at the last frame.
        blocks: number of complete blocks.
        size: bytes of the complete blocks and of the magic before them.
        truncated: bytes behind them, which are not a complete block.
    """

    begin: float
    end: float
    blocks: int
    size: int
    truncated: int

    @property
    def cut(self) -> int:
        """Deprecated name of `truncated`."""
        warnings.warn("use `truncated` instead of `cut`", DeprecationWarning, stacklevel=2)
        return self.truncated


class Recording:
    """Reads a recording, up to its last complete block. A context manager.

    Each iteration starts at the first block. A recording that is still being written can be read.

    Args:
        path: path of the file.

    Raises:
        RecordingError: the file cannot be read, or is not a recording.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._file: BinaryIO = self.path.open("rb")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise self._error(error) from error
        try:
            self._has_magic = check_magic(self._file, str(self.path))
        except OSError as error:
            self._file.close()
            raise self._error(error) from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Moment]:
        return self.moments()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def summary(self) -> Summary:
        """Return times and sizes; reads the whole file.

        Raises:
            RecordingError: the file cannot be read.
        """
        begin = end = 0.0
        count, size = 0, len(MAGIC) if self._has_magic else 0
        for block in self._blocks(0):
            begin = begin if count else block.header.first
            end, size, count = block.header.last, block.end, count + 1
        try:
            truncated = self._file.seek(0, os.SEEK_END) - size
        except OSError as error:
            raise self._error(error) from error
        return Summary(begin, end, count, size, truncated)

    def updates(self) -> Iterator[Update]:
        """Yield the updates that a Subscriber would have received, without the snapshots.

        Raises:
            RecordingError: a complete block does not follow the format.
        """
        for moment in self.moments():
            if not isinstance(moment.update, (Segment, LabelUpdate)):
                yield moment.update

    def moments(self, since: float = 0.0) -> Iterator[Moment]:
        """Yield what was recorded, in order.

        Args:
            since: seconds since the start of the recording. Segments that ended before are left
                out, so that the first update is the segment that contains this time.

        Raises:
            RecordingError: a complete block does not follow the format.
        """
        decoder, bounds = MomentDecoder(), Bounds()
        for block in self._blocks(since):
            decoder.begin = decoder.begin or self._begin
            try:
                bounds.begin(block.header.plain, block.header.packed)
                plain = unpack_block(block.header, block.packed)
                for frame in decode_frames(plain):
                    bounds.take(frame.parts)
                    yield from decoder.decode(frame)
            except (ProtocolError, RecordingError) as error:
                raise RecordingError(
                    f"{self.path}: the block at byte {block.position} cannot be read: {error}"
                ) from error

    @property
    def _begin(self) -> float:
        """Wall clock of the first frame."""
        first = next(walk(self._file), None)
        return first.header.first if first else 0.0

    def _blocks(self, since: float) -> Iterator[Block]:
        """Yield the blocks, starting with the last segment that starts before `since`."""
        if not self._has_magic:
            return
        try:
            position = self._segment_at(since) if since > 0 else len(MAGIC)
            yield from walk(self._file, position)
        except OSError as error:
            raise self._error(error) from error

    def _segment_at(self, since: float) -> int:
        begin, found = None, len(MAGIC)
        for block in walk(self._file):
            begin = block.header.first if begin is None else begin
            if block.header.first - begin > since:
                break
            if block.header.flags & STARTS_SEGMENT:
                found = block.position
        return found

    def _error(self, error: Exception) -> RecordingError:
        return RecordingError(f"{self.path}: {getattr(error, 'strerror', None) or error}")
