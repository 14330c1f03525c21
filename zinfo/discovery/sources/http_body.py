"""Reads the body of a reply: bounded, also when it is decompressed, and hashed on the way."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import NamedTuple

from zinfo.discovery.sources.decoding import MAX_SIZE
from zinfo.errors import SourceError

_PART = 64 << 10  # bytes that are read, or decompressed, at a time
_GZIP = 16 + zlib.MAX_WBITS


class Body(NamedTuple):
    """A body.

    Attributes:
        parts: the bytes, decompressed.
        digest: their SHA-256.
    """

    parts: list[bytes]
    digest: bytes


def read_body(response: HTTPResponse) -> Body:
    """Read the whole body of a reply. Each read may yield.

    Raises:
        SourceError: it is too large, cut off, or compressed in a way that is not supported.
        http.client.HTTPException, OSError, ValueError: as `HTTPResponse.read`.
    """
    encoding = response.getheader("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        parts = _received(response)
    elif encoding in ("gzip", "x-gzip"):
        parts = _decompressed(_received(response))
    else:
        raise SourceError("its content encoding is not gzip")
    digest, size, found = hashlib.sha256(), 0, []
    for part in parts:
        size += len(part)
        if size > MAX_SIZE:
            raise SourceError(f"the reply is larger than {MAX_SIZE >> 20} MiB")
        digest.update(part)
        found.append(part)
    return Body(found, digest.digest())


def _received(response: HTTPResponse) -> Iterator[bytes]:
    while part := response.read(_PART):
        yield part
    if response.length:  # http.client reports this only for chunks
        raise SourceError("the reply is cut off")


def _decompressed(parts: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(_GZIP)
    try:
        for part in parts:
            data = part
            while data:
                if decompressor.eof:  # a gzip file may have several members
                    decompressor = zlib.decompressobj(_GZIP)
                yield decompressor.decompress(data, _PART)
                data = decompressor.unconsumed_tail or decompressor.unused_data
        while not decompressor.eof:
            more = decompressor.decompress(b"", _PART)
            if not more:
                raise SourceError("the reply is cut off")
            yield more
    except zlib.error:
        raise SourceError("the reply is not gzip") from None
