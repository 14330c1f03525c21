"""StoredAnswers: the last good answer of each source, in a file, for the next start."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from gevent.lock import BoundedSemaphore

from zinfo.discovery import answer_file
from zinfo.discovery.answer_file import CorruptAnswerError, StoredAnswer
from zinfo.discovery.sources.file_thread import FileThread
from zinfo.discovery.state_directory import StateDirectory, StateDirectoryError
from zinfo.discovery.target import Target
from zinfo.errors import SourceError
from zinfo.wire.slices import SliceSpec

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_FILE_NAME = 200  # bytes; file systems allow 255


class StoredAnswers:
    """The files of all sources in the directory `state_dir`.

    File operations run in a thread. An answer that cannot be stored, or a file that cannot be used,
    is logged once, and the daemon goes on without it.

    Args:
        path: the directory.

    Attributes:
        problem: why the newest answer could not be stored; "" if it was.
    """

    def __init__(self, path: Path) -> None:
        self.problem = ""
        self._directory = StateDirectory(path)
        self._thread = FileThread()
        self._lock = BoundedSemaphore(1)

    def load(self, source: str, pause: Callable[[], object]) -> StoredAnswer | None:
        """Return the stored answer of a source; None if there is none that can be used.

        Args:
            source: name of the source.
            pause: called after each target; may switch to other greenlets.
        """
        name = file_name(source)
        try:
            data = self._in_thread(partial(self._read, name))
            return None if data is None else answer_file.decode(data, source, pause)
        except (StateDirectoryError, CorruptAnswerError, SourceError) as error:
            path = self._directory.path / name
            logger.warning("the stored answer of source %s is ignored: %s: %s", source, path, error)
            return None

    def store(
        self,
        source: str,
        targets: Mapping[str, Target],
        pause: Callable[[], object],
        slice_spec: SliceSpec | None = None,
    ) -> Callable[[], bool]:
        """Encode the targets of a source, and return a function that writes them.

        The targets must not change until this returns. The function returns whether they are stored
        now, after an error that may pass they are not.

        Args:
            source: name of the source.
            targets: its targets by shard id.
            pause: called after each target; may switch to other greenlets.
            slice_spec: the slice that they are; None if they are all.
        """
        pieces, size = [], answer_file.DIGEST_SIZE
        for piece in answer_file.encode(source, targets, pause, slice_spec):
            size += len(piece)
            if size > answer_file.MAX_SIZE:
                return partial(self._is_too_large, source)
            pieces.append(piece)
        return partial(self._write, source, pieces)

    def remove(self, source: str) -> None:
        """Delete the stored answer of a source."""
        try:
            self._in_thread(partial(self._directory.remove, file_name(source)))
        except (StateDirectoryError, SourceError) as error:
            logger.warning("the stored answer of source %s cannot be deleted: %s", source, error)

    def _read(self, name: str) -> bytes | None:
        data = self._directory.read(name, answer_file.MAX_SIZE)
        if data is not None:
            answer_file.check_digest(data)
        return data

    def _write(self, source: str, pieces: list[bytes]) -> bool:
        def write() -> None:
            end = answer_file.digest(pieces)
            self._directory.write(file_name(source), [*pieces, end])

        try:
            self._in_thread(write)
        except (StateDirectoryError, SourceError) as error:
            if not self.problem:
                logger.warning("answers cannot be stored in %s: %s", self._directory.path, error)
            self.problem = str(error)
            return False
        if self.problem:
            logger.info("answers can be stored again")
        self.problem = ""
        return True

    def _is_too_large(self, source: str) -> bool:
        limit = answer_file.MAX_SIZE >> 20
        logger.warning("the answer of source %s is not stored: more than %d MiB", source, limit)
        self.remove(source)
        return True

    def _in_thread(self, function: Callable[[], T]) -> T:
        with self._lock:
            return self._thread.run(function)


def file_name(source: str) -> str:
    """Return the name of the file of a source: one for each name, of safe characters only."""
    name = quote(source, safe="", errors="surrogatepass").replace(".", "%2E")
    if len(name) > _MAX_FILE_NAME:
        digest = hashlib.blake2b(source.encode(errors="surrogatepass"), digest_size=32)
        name = f"%{digest.hexdigest()}"  # no quoted name has a % before 64 digits and nothing else
    return f"{name}.answer"
