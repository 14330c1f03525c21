"""RecordingWriter: a recording's file, made or gone on with, block by block."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from zinfo.errors import RecordingError
from zinfo.recording.blocks import Block, check_magic, is_torn, walk
from zinfo.recording.frames import BEGINS_SPAN, MAGIC, SPAN, Frame, encode_block, encode_frame

BLOCK_BYTES = 1 << 20
"""Bytes of frames that make a block; more are rare."""

BLOCK_SECONDS = 5.0
"""Seconds that frames wait for the others of their block: what is lost when all is killed."""


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
        full: whether a block was left out because of `max_size`.
        last: wall clock of the last frame that was there already; None in a new recording.
        span: likewise of the beginning of the last span.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_size: int | None = None) -> None:
        self.path = Path(path)
        self.cut = 0
        self.full = False
        self.last: float | None = None
        self.span: float | None = None
        self._max_size = max_size
        self._plain = bytearray()
        self._flags = 0
        self._first = self._latest = 0.0
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
            frame: the frame; the head of a span begins a block.
            wall: the recorder's wall clock, seconds since the Unix epoch.

        Raises:
            RecordingError: a block could not be written.
        """
        if frame.kind == SPAN:
            self.flush()
            self._flags = BEGINS_SPAN
        if not self._plain:
            self._first = wall
        self._latest = wall
        self._plain += encode_frame(frame)
        if len(self._plain) >= BLOCK_BYTES or wall - self._first >= BLOCK_SECONDS:
            self.flush()

    def flush_old(self, wall: float) -> None:
        """Write the frames that have waited long enough; the next may be long in coming.

        Args:
            wall: the wall clock now.

        Raises:
            RecordingError: a block could not be written.
        """
        if self._plain and wall - self._first >= BLOCK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the frames that wait.

        Raises:
            RecordingError: that failed; what was written before is whole.
        """
        if not self._plain:
            return
        block = encode_block(bytes(self._plain), self._flags, self._first, self._latest)
        self._plain.clear()
        self._flags = 0
        if self._max_size is not None and self.size + len(block) > self._max_size:
            self.full = True
        if not self.full:
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
