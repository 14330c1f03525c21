"""RecordingWriter: creates or continues a recording's file, block by block."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from zinfo.errors import RecordingError
from zinfo.recording.blocks import Block, check_magic, ends_in_unfinished_block, walk
from zinfo.recording.frames import (
    MAGIC,
    PAGE,
    SEGMENT,
    STARTS_SEGMENT,
    Frame,
    encode_block,
    encode_frame,
)

BLOCK_BYTES = 1 << 20
"""Bytes of frames at which a block is written."""

BLOCK_SECONDS = 5.0
"""Longest time until a block is written, in seconds; a killed process loses no more than that."""


_SNAPSHOT = (SEGMENT, PAGE)
"""Kinds of frames in the snapshot of a segment."""


class _PendingFrame(NamedTuple):
    """A frame that is not written yet, its bytes, and the recorder's wall clock."""

    frame: Frame
    encoded: bytes
    wall: float


class RecordingWriter:
    """Appends frames to a recording. A context manager.

    A new file gets mode 0600, as INFO may contain secrets. An existing recording is continued after
    its last complete block; an unfinished block at its end is truncated.

    Args:
        path: path of the file.
        max_size: limit of the file's bytes; None for no limit.

    Raises:
        RecordingError: the file cannot be written, is not a recording, or is being written by
            another process.

    Attributes:
        size: bytes of the file.
        truncated: bytes of an unfinished block that were removed.
        full: whether frames were left out because of `max_size`.
        left_out: these frames.
        needed: size of the file with the first block that was left out; 0 where none was.
        last: wall clock of the last frame of an existing recording; None in a new one.
        segment_start: wall clock at the start of its last segment; None in a new recording.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_size: int | None = None) -> None:
        self.path = Path(path)
        self.truncated = 0
        self.full = False
        self.left_out: list[Frame] = []
        self.needed = 0
        self.last: float | None = None
        self.segment_start: float | None = None
        self._max_size = max_size
        self._pending: list[_PendingFrame] = []
        self._bytes = 0  # of the pending frames
        self._flags = 0
        self._file, self._is_new = self._open()
        try:
            self._lock()
            self.size = self._find_end()
        except BaseException:
            if self._is_new:
                self.path.unlink(missing_ok=True)
            self._file.close()
            raise

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def add(self, frame: Frame, wall: float) -> None:
        """Add a frame to the current block.

        Args:
            frame: the frame. The head of a segment and the pages of its snapshot are written as
                separate blocks, so that they are readable where the following block is not.
            wall: the recorder's wall clock, seconds since the Unix epoch.

        Raises:
            RecordingError: a block could not be written.
        """
        if frame.kind == SEGMENT or (frame.kind != PAGE and self._in_snapshot()):
            self.flush()
        if frame.kind == SEGMENT:
            self._flags = STARTS_SEGMENT
        encoded = encode_frame(frame)
        self._pending.append(_PendingFrame(frame, encoded, wall))
        self._bytes += len(encoded)
        if self._bytes >= BLOCK_BYTES or wall - self._pending[0].wall >= BLOCK_SECONDS:
            self.flush()

    def flush_old(self, wall: float) -> None:
        """Write the current block if its time has come.

        Args:
            wall: the wall clock now.

        Raises:
            RecordingError: a block could not be written.
        """
        if self._pending and wall - self._pending[0].wall >= BLOCK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the current block; of messages as many as fit into `max_size`.

        Raises:
            RecordingError: writing failed; all previous blocks are complete.
        """
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        flags, self._flags, self._bytes = self._flags, 0, 0
        block = b"" if self.full else _block(pending, flags)
        written = len(pending)
        if self.full or not self._has_room(block):
            block, written = self._fitting_block(pending)
            self.left_out += [one.frame for one in pending[written:]]
        if block:
            self._append(block)

    def close(self) -> None:
        """Write the current block and close the file; an empty recording is removed.

        Raises:
            RecordingError: writing failed; all previous blocks are complete.
        """
        if self._file.closed:
            return
        try:
            self.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._error(error) from error
        finally:
            if self._is_new and self.size <= len(MAGIC):
                self.path.unlink(missing_ok=True)
            self._file.close()

    # --- blocks

    def _in_snapshot(self) -> bool:
        """Whether the newest pending frame belongs to the snapshot of a segment."""
        return bool(self._pending) and self._pending[-1].frame.kind in _SNAPSHOT

    def _has_room(self, block: bytes) -> bool:
        return self._max_size is None or self.size + len(block) <= self._max_size

    def _fitting_block(self, pending: list[_PendingFrame]) -> tuple[bytes, int]:
        """Return the longest block that fits, and its number of frames.

        A part of a snapshot is useless, and no frame may follow one that was left out.
        """
        best = b"", 0
        if not self.full and pending[0].frame.kind not in _SNAPSHOT:
            least, most = 0, len(pending) - 1
            while least < most:
                middle = (least + most + 1) // 2
                block = _block(pending[:middle], 0)
                if self._has_room(block):
                    least, best = middle, (block, middle)
                else:
                    most = middle - 1
        self.needed = self.needed or self.size + len(_block(pending, 0))
        self.full = True
        return best

    # --- the file

    def _open(self) -> tuple[BinaryIO, bool]:
        flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
        try:
            try:
                number = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
                is_new = True
            except FileExistsError:
                if not self.path.is_file():
                    raise RecordingError(
                        f"{self.path}: not a file that can be recorded to"
                    ) from None
                number, is_new = os.open(self.path, flags), False
                if os.fstat(number).st_uid not in (0, os.geteuid()):
                    os.close(number)
                    raise RecordingError(
                        f"{self.path}: belongs to another user, who could read what is recorded"
                    ) from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise self._error(error) from error
        return os.fdopen(number, "r+b", buffering=0), is_new

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._is_new = False  # it belongs to the process that holds the lock
            raise RecordingError(f"{self.path}: another process records to it") from error
        except OSError as error:
            # Some file systems have no locks; two recorders of one file are unlikely there.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise self._error(error) from error

    def _find_end(self) -> int:
        """Return the position after the last complete block; truncate the rest."""
        try:
            if not check_magic(self._file, str(self.path)):
                self._file.truncate(0)
                self._file.seek(0)
                self._write(MAGIC)
                return len(MAGIC)
            last: Block | None = None
            for last in walk(self._file):
                if last.header.flags & STARTS_SEGMENT:
                    self.segment_start = last.header.first
            end = last.end if last else len(MAGIC)
            size = self._file.seek(0, os.SEEK_END)
            if size > end:
                self._truncate(end, size)
        except OSError as error:
            raise self._error(error) from error
        self.last = last.header.last if last else None
        return end

    def _truncate(self, end: int, size: int) -> None:
        if not ends_in_unfinished_block(self._file, end):
            raise RecordingError(
                f"{self.path}: damaged at byte {end}, with complete blocks after it; "
                "record to another file"
            )
        self._file.truncate(end)
        self.truncated = size - end

    def _append(self, block: bytes) -> None:
        try:
            self._file.seek(self.size)
            self._write(block)
        except OSError as error:
            try:
                self._file.truncate(self.size)
            finally:
                raise self._error(error) from error
        self.size += len(block)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def _error(self, error: Exception) -> RecordingError:
        reason = getattr(error, "strerror", None) or str(error)
        return RecordingError(f"{self.path}: {reason}; all previous blocks are complete")


def _block(pending: list[_PendingFrame], flags: int) -> bytes:
    plain = b"".join(one.encoded for one in pending)
    return encode_block(plain, flags, pending[0].wall, pending[-1].wall)
