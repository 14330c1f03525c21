"""StateDirectory: files of one user in one directory, replaced as a whole.

All methods block. A file is opened relative to the open directory, without following a link, and is
read only if no other user can have written it: it must be a regular file of this user with one
name. It is replaced by renaming a new file that is on the disk already, so that a crash leaves the
old file or the new one.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_CLOSE = os.O_CLOEXEC


class StateDirectoryError(Exception):
    """The directory or a file cannot be used; the text says why."""


class StateDirectory:
    """A directory of this process; it is made with mode 0700 if it does not exist.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str, max_size: int) -> bytes | None:
        """Return the content of a file; None if it does not exist.

        Args:
            name: name of the file in the directory.
            max_size: maximum number of bytes.

        Raises:
            StateDirectoryError: the directory or the file cannot be used.
        """
        with self._opened() as directory:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | _CLOSE
            try:
                number = os.open(name, flags, dir_fd=directory)
            except FileNotFoundError:
                return None
            try:
                self._check_file(os.fstat(number), max_size)
                with os.fdopen(number, "rb", closefd=False) as file:
                    data = file.read(max_size + 1)
            finally:
                os.close(number)
        if len(data) > max_size:
            raise StateDirectoryError(f"it has more than {max_size} bytes")
        return data

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Replace a file.

        Raises:
            StateDirectoryError: the directory or the file cannot be used.
        """
        new = f".{name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | _CLOSE
        with self._opened() as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new, dir_fd=directory)  # of a process that was killed
            try:
                with os.fdopen(os.open(new, flags, 0o600, dir_fd=directory), "wb") as file:
                    for piece in pieces:
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
                os.fsync(directory)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(new, dir_fd=directory)
                raise

    def remove(self, name: str) -> None:
        """Delete a file, if it exists.

        Raises:
            StateDirectoryError: the directory cannot be used.
        """
        with self._opened() as directory, contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(mode=0o700, parents=True)
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | _CLOSE)
            try:
                self._check_directory(os.fstat(directory))
                yield directory
            finally:
                os.close(directory)
        except OSError as error:
            raise StateDirectoryError(error.strerror or type(error).__name__) from None

    def _check_directory(self, status: os.stat_result) -> None:
        if status.st_uid not in (0, os.geteuid()):
            raise StateDirectoryError(
                f"the directory belongs to user {status.st_uid}, expected user {os.geteuid()}"
            )
        if status.st_mode & _OTHERS_WRITE:
            mode = stat.S_IMODE(status.st_mode)
            raise StateDirectoryError(
                f"the directory has mode {mode:04o}, which lets other users change it: chmod 700 it"
            )

    def _check_file(self, status: os.stat_result, max_size: int) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise StateDirectoryError("it is not a regular file")
        if status.st_uid != os.geteuid():
            raise StateDirectoryError(f"it belongs to user {status.st_uid}")
        if status.st_nlink != 1:
            raise StateDirectoryError("it has another name, too (a hard link)")
        if status.st_mode & _OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise StateDirectoryError(f"it has mode {mode:04o}, expected 0600")
        if status.st_size > max_size:
            raise StateDirectoryError(f"it has more than {max_size} bytes")
