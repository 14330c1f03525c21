"""Long response bodies: sent in pieces, and compressed if the client accepts it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import falcon
import gevent

from zinfo.adapters.wsgi.client_quotas import ReleasingBody

_GZIP_ACCEPTED = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_GZIP_FORMAT = 16 + zlib.MAX_WBITS  # `wbits` value that makes zlib write the gzip format
_GZIP_LEVEL = 1  # enough to compress repetitive text to a tenth


def set_pieces(
    request: falcon.Request,
    response: falcon.Response,
    pieces: list[bytes],
    content_type: str,
    release: Callable[[], None] | None = None,
) -> None:
    """Set the response body.

    Args:
        request: says whether the client accepts gzip.
        response: receives the body and its headers.
        pieces: the body.
        content_type: of the body.
        release: called when the client has read it, or is gone.
    """
    response.content_type = content_type
    response.vary = ("Accept-Encoding",)
    body = iter(pieces)
    if _GZIP_ACCEPTED.search(request.get_header("Accept-Encoding") or ""):
        response.set_header("Content-Encoding", "gzip")
        body = _gzipped(pieces)
    else:
        response.content_length = sum(map(len, pieces))
    response.stream = body if release is None else ReleasingBody(body, release)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress in another thread, so that polling continues."""
    pool: Any = gevent.get_hub().threadpool
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    for piece in pieces:
        compressed: bytes = pool.apply(compressor.compress, (piece,))
        if compressed:
            yield compressed
    yield pool.apply(compressor.flush)
