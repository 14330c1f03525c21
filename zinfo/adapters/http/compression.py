"""Compressor: compresses the body of a response while its next part is made.

Compressing a scrape of a thousand servers takes as long as making its text. zlib and zstd let other
threads of Python run meanwhile, so that happens in another thread. It is not one of gevent's own
pool: names that cannot be resolved may occupy these.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

import gevent
import gevent.threadpool


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


_GZIP_FORMAT: Final = 16 + zlib.MAX_WBITS  # `wbits` value that makes zlib write the gzip format
# Of both: higher levels compress metrics hardly better, and take longer (measured on scrapes).
_LEVEL: Final = 1

_PART_BYTES: Final = 1 << 19  # least size of the parts that the other thread gets, but the last;
# handing over one takes about 0.1 ms
_SMALL: Final = 1 << 15  # bytes that take less time here (0.3 ms) than to wait for a thread
_IDLE_SECONDS: Final = 60  # until a thread without work ends


def zstd_module() -> Any:
    """Return the module for zstd: Python's since 3.14, or its backport; None without both."""
    return _first_module("compression.zstd", "backports.zstd")


def _first_module(*names: str) -> Any:
    """Return the first module that is installed; None without any of them."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _compressors() -> dict[str, Callable[[], _Compressor]]:
    found: dict[str, Callable[[], _Compressor]] = {}
    zstd = zstd_module()
    if zstd is not None:
        found["zstd"] = lambda: zstd.ZstdCompressor(level=_LEVEL)
    deflate = _first_module("isal.isal_zlib", "zlib")  # isal takes a fifth of zlib's time
    found["gzip"] = lambda: deflate.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    return found


_COMPRESSORS: Final = _compressors()

CODINGS: Final = tuple(_COMPRESSORS)
"""The content codings that this Python has, the cheapest first."""


class CompressionThread:
    """Compresses bodies in one thread, one part at a time.

    The thread is started when it is needed, and ends when it is not.
    """

    def __init__(self) -> None:
        self._pool: Any = None  # gevent.threadpool.ThreadPool, made in the thread of the event loop

    def compress(self, pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
        """Yield a body in compressed pieces.

        At most three parts of some hundred KiB exist uncompressed: one is being compressed, one
        waits for the thread, and one is being made.

        Args:
            pieces: the body.
            coding: one of `CODINGS`.
        """
        compressor = _COMPRESSORS[coding]()
        parts = join_pieces(pieces, _PART_BYTES)
        first = next(parts, b"")
        if len(first) <= _SMALL:  # then it is the only one
            yield compressor.compress(first) + compressor.flush()
            return
        if self._pool is None:
            self._pool = gevent.threadpool.ThreadPool(1, idle_task_timeout=_IDLE_SECONDS)
        running = self._pool.spawn(compressor.compress, first)
        for part in parts:
            task = self._pool.spawn(compressor.compress, part)  # waits until the thread is free
            yield running.get()
            running = task
        yield running.get()
        yield self._pool.spawn(compressor.flush).get()


def join_pieces(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Join pieces to larger ones: each one costs a system call, or the waking of a thread.

    Args:
        pieces: of a body.
        size: least number of bytes of the joined pieces, but the last.
    """
    waiting: list[bytes] = []
    left = size
    for piece in pieces:
        waiting.append(piece)
        left -= len(piece)
        if left <= 0:
            yield b"".join(waiting)
            waiting.clear()
            left = size
    if waiting:
        yield b"".join(waiting)
