"""Long response bodies: compressed if the client accepts it, and sent in pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import falcon

from zinfo.adapters.http.compression import CODINGS, CompressionThread, join_pieces
from zinfo.adapters.http.negotiation import IDENTITY, coding_of
from zinfo.adapters.wsgi.client_quotas import ReleasingBody

_MAX_BYTES: Final = 512 << 20  # of all bodies that clients have not read
_RETRY_SECONDS: Final = 10
_PIECE_BYTES: Final = 1 << 17  # of a body that is not compressed; each piece costs 20 us to send


class LongBodies:
    """Sets long response bodies, and bounds the memory of those that clients have not read.

    Args:
        max_bytes: of all bodies together. A body alone may be larger.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0  # in memory
        self._thread = CompressionThread()

    def set_pieces(
        self,
        request: falcon.Request,
        response: falcon.Response,
        pieces: Iterable[bytes],
        content_type: str,
        *,
        vary: Sequence[str] = (),
        source_bytes: int | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        """Set the response body.

        A body that the client accepts compressed is made and compressed here, while other greenlets
        run. What the client has not read then needs a tenth of the memory or less. Any other one is
        made here as well, unless what it is made of takes less memory.

        Args:
            request: says which content codings the client accepts.
            response: receives the body and its headers.
            pieces: the body.
            content_type: of the body.
            vary: names of other headers of the request that the body depends on.
            source_bytes: memory of what the pieces are made of, if they can be made while they are
                sent: the client receives nothing more if that raises.
            release: called when the client has read the body, or is gone; not if this raises.

        Raises:
            falcon.HTTPServiceUnavailable: other bodies that are not read take too much memory.
        """
        coding = coding_of(request.get_header("Accept-Encoding") or "", CODINGS)
        if coding != IDENTITY:
            pieces = self._thread.compress(pieces, coding)
        else:
            pieces = join_pieces(pieces, _PIECE_BYTES)
        body: Iterator[bytes]
        if coding == IDENTITY and source_bytes is not None:
            body, size = iter(pieces), source_bytes
            self._acquire(size)
        else:
            body, size = self._collect(pieces)
            response.content_length = size
        response.content_type = content_type
        response.vary = (*vary, "Accept-Encoding")
        if coding != IDENTITY:
            response.set_header("Content-Encoding", coding)

        def end() -> None:
            self._bytes -= size
            if release is not None:
                release()

        response.stream = ReleasingBody(body, end)

    def _collect(self, pieces: Iterable[bytes]) -> tuple[Iterator[bytes], int]:
        """Return the body and its size, which then counts as in memory."""
        body: deque[bytes] = deque()
        size = 0
        try:
            for piece in pieces:
                if piece:
                    body.append(piece)
                    size += len(piece)
                    self._bytes += len(piece)
                    self._require_memory(size)
        except BaseException:
            self._bytes -= size
            raise
        return _taken_from(body), size

    def _acquire(self, size: int) -> None:
        self._bytes += size
        try:
            self._require_memory(size)
        except BaseException:
            self._bytes -= size
            raise

    def _require_memory(self, size: int) -> None:
        others = self._bytes - size
        if others and self._bytes > self._max_bytes:
            raise falcon.HTTPServiceUnavailable(
                description="other responses that are not read yet take too much memory",
                retry_after=_RETRY_SECONDS,
            )


def _taken_from(body: deque[bytes]) -> Iterator[bytes]:
    """Yield the pieces; none is in memory longer than it takes to send it."""
    while body:
        yield body.popleft()
