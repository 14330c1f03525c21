"""RecordingWriter: a recording's file, made or gone on with, block by block."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from zinfo.errors import RecordingError
from zinfo.recording.blocks import Block, check_magic, is_torn, walk
from zinfo.recording.frames import (
    BEGINS_SPAN,
    MAGIC,
    PAGE,
    SPAN,
    Frame,
    encode_block,
    encode_frame,
)

BLOCK_BYTES = 1 << 20
"""Bytes of frames that make a block; more are rare."""

BLOCK_SECONDS = 5.0
"""Seconds that frames wait for the others of their block: what is lost when all is killed."""


_SNAPSHOT = (SPAN, PAGE)
"""Kinds of frames that make the snapshot of a span."""


class _Waiting(NamedTuple):
    """A frame that is not in the file yet, its bytes, and the recorder's wall clock."""

    frame: Frame
    encoded: bytes
    wall: float


class RecordingWriter:
    """Appends frames to a recording. A context manager.

    The file is made with mode 0600, as INFO may hold secrets. One that exists is gone on with:
    behind its last whole block, for which the rest of a block that was not finished is cut off.

    Args:
        path: of the file.
        max_size: bytes that the file may have; None for any number.

    Raises:
        RecordingError: the file cannot be written, is no recording, or is being written already.

    Attributes:
        size: bytes of the file.
        cut: bytes of an unfinished block that were cut off.
        full: whether frames were left out because of `max_size`.
        left_out: these frames.
        needed: bytes that the file would have with the first block that was left out; 0 where none
            was.
        last: wall clock of the last frame that was there already; None in a new recording.
        span: likewise of the beginning of the last span.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_size: int | None = None) -> None:
        self.path = Path(path)
        self.cut = 0
        self.full = False
        self.left_out: list[Frame] = []
        self.needed = 0
        self.last: float | None = None
        self.span: float | None = None
        self._max_size = max_size
        self._waiting: list[_Waiting] = []
        self._bytes = 0  # of the frames that wait
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
        """Take a frame; it is in the file with its block.

        Args:
            frame: the frame. The head of a span and the pages of its snapshot are blocks of their
                own, so that they are there where what follows them is not.
            wall: the recorder's wall clock, seconds since the Unix epoch.

        Raises:
            RecordingError: a block could not be written.
        """
        if frame.kind == SPAN or (frame.kind != PAGE and self._waits_snapshot()):
            self.flush()
        if frame.kind == SPAN:
            self._flags = BEGINS_SPAN
        encoded = encode_frame(frame)
        self._waiting.append(_Waiting(frame, encoded, wall))
        self._bytes += len(encoded)
        if self._bytes >= BLOCK_BYTES or wall - self._waiting[0].wall >= BLOCK_SECONDS:
            self.flush()

    def flush_old(self, wall: float) -> None:
        """Write the frames that have waited long enough; the next may be long in coming.

        Args:
            wall: the wall clock now.

        Raises:
            RecordingError: a block could not be written.
        """
        if self._waiting and wall - self._waiting[0].wall >= BLOCK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the frames that wait; of messages as many as `max_size` has room for.

        Raises:
            RecordingError: that failed; what was written before is whole.
        """
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        flags, self._flags, self._bytes = self._flags, 0, 0
        block = b"" if self.full else _block(waiting, flags)
        written = len(waiting)
        if self.full or not self._has_room(block):
            block, written = self._what_fits(waiting)
            self.left_out += [one.frame for one in waiting[written:]]
        if block:
            self._append(block)

    def close(self) -> None:
        """Write what waits and close the file; one in which there is nothing is removed.

        Raises:
            RecordingError: it could not be written; what was written before is whole.
        """
        if self._file.closed:
            return
        try:
            self.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error
        finally:
            if self._is_new and self.size <= len(MAGIC):
                self.path.unlink(missing_ok=True)
            self._file.close()

    # --- blocks

    def _waits_snapshot(self) -> bool:
        """Whether the newest frame that waits belongs to the snapshot of a span."""
        return bool(self._waiting) and self._waiting[-1].frame.kind in _SNAPSHOT

    def _has_room(self, block: bytes) -> bool:
        return self._max_size is None or self.size + len(block) <= self._max_size

    def _what_fits(self, waiting: list[_Waiting]) -> tuple[bytes, int]:
        """Return the longest block for which there is room, and how many frames are in it.

        A part of a snapshot is of no use, and nothing may follow frames that were left out.
        """
        best = b"", 0
        if not self.full and waiting[0].frame.kind not in _SNAPSHOT:
            least, most = 0, len(waiting) - 1
            while least < most:
                middle = (least + most + 1) // 2
                block = _block(waiting[:middle], 0)
                if self._has_room(block):
                    least, best = middle, (block, middle)
                else:
                    most = middle - 1
        self.needed = self.needed or self.size + len(_block(waiting, 0))
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
            raise self._failed(error) from error
        return os.fdopen(number, "r+b", buffering=0), is_new

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._is_new = False  # who has the lock writes to it, though it was made here
            raise RecordingError(f"{self.path}: another process records to it") from error
        except OSError as error:
            # Some file systems cannot lock; two recorders are unlikely enough there.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise self._failed(error) from error

    def _find_end(self) -> int:
        """Return where to go on; cut off what is no whole block."""
        try:
            if not check_magic(self._file, str(self.path)):
                self._file.truncate(0)
                self._file.seek(0)
                self._write(MAGIC)
                return len(MAGIC)
            last: Block | None = None
            for last in walk(self._file):
                if last.header.flags & BEGINS_SPAN:
                    self.span = last.header.first
            end = last.end if last else len(MAGIC)
            size = self._file.seek(0, os.SEEK_END)
            if size > end:
                self._cut_off(end, size)
        except OSError as error:
            raise self._failed(error) from error
        self.last = last.header.last if last else None
        return end

    def _cut_off(self, end: int, size: int) -> None:
        if not is_torn(self._file, end):
            raise RecordingError(
                f"{self.path}: damaged at byte {end}, with whole blocks behind it; "
                "record to another file"
            )
        self._file.truncate(end)
        self.cut = size - end

    def _append(self, block: bytes) -> None:
        try:
            self._file.seek(self.size)
            self._write(block)
        except OSError as error:
            try:
                self._file.truncate(self.size)
            finally:
                raise self._failed(error) from error
        self.size += len(block)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def _failed(self, error: Exception) -> RecordingError:
        reason = getattr(error, "strerror", None) or str(error)
        return RecordingError(f"{self.path}: {reason}; what was written before is whole")


def _block(waiting: list[_Waiting], flags: int) -> bytes:
    plain = b"".join(one.encoded for one in waiting)
    return encode_block(plain, flags, waiting[0].wall, waiting[-1].wall)
