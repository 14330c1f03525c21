"""Reads regular files as a whole: bounded, never waiting for a FIFO, never half changed. Blocks."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from typing import NamedTuple

from zinfo.discovery.sources.decoding import MAX_SIZE
from zinfo.errors import SourceError

_PART = 64 << 10  # bytes of one read
_ATTEMPTS = 3  # to read a file that changes meanwhile
_SETTLED = 2_000_000_000  # ns; the coarsest clock of a file system in use (FAT) has 2 s


class FileState(NamedTuple):
    """What `stat` says of a file; a link is followed, so a ConfigMap that was swapped differs."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int

    @property
    def is_settled(self) -> bool:
        """Whether a later change cannot leave the same state: the clock has gone on since."""
        return time.time_ns() - max(self.mtime, self.ctime) > _SETTLED


class FileContent(NamedTuple):
    """A file that was read.

    Attributes:
        state: of the file while it was read.
        settled: whether the state tells a later change.
        digest: SHA-256 of the content.
        parts: the content.
    """

    state: FileState
    settled: bool
    digest: bytes
    parts: list[bytes]


def file_state(path: str) -> FileState:
    """Return the state of a file.

    Raises:
        SourceError: there is no regular file that can be read.
    """
    try:
        return _state(os.stat(path))  # noqa: PTH116 - called for thousands of paths
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from None


def read_file(path: str) -> FileContent:
    """Read a file.

    Raises:
        SourceError: it cannot be read, is too large or no regular file, or changes all the time.
    """
    for _ in range(_ATTEMPTS):
        file_state(path)  # opening a device can have effects
        try:
            content = _read_once(path)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}") from None
        if content is not None:
            return content
    raise SourceError("changes while it is read")


def _read_once(path: str) -> FileContent | None:
    """Read a file; None if it changed meanwhile."""
    # O_NONBLOCK: the path may have become a FIFO.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        state = _state(os.fstat(descriptor))
        settled = state.is_settled  # before the read, during which the file may change
        digest = hashlib.sha256()
        parts: list[bytes] = []
        size = 0
        while part := os.read(descriptor, _PART):
            size += len(part)
            if size > state.size:
                return None
            digest.update(part)
            parts.append(part)
        status = os.fstat(descriptor)
        end = _state(status)
        if status.st_nlink == 0:  # replaced meanwhile, which sets the ctime of the file read
            end = end._replace(ctime=state.ctime)
        if size != state.size or end != state:
            return None
        return FileContent(state, settled, digest.digest(), parts)
    finally:
        os.close(descriptor)


def _state(status: os.stat_result) -> FileState:
    if not stat.S_ISREG(status.st_mode):
        raise SourceError("is not a regular file")
    if status.st_size > MAX_SIZE:
        raise SourceError(f"is larger than {MAX_SIZE >> 20} MiB")
    return FileState(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )
