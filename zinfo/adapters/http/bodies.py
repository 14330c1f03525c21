"""Long response bodies: made at once, compressed if the client accepts it, sent in pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import falcon

from zinfo.adapters.http.compression import CODINGS, CompressionThread
from zinfo.adapters.http.negotiation import IDENTITY, coding_of
from zinfo.adapters.wsgi.client_quotas import ReleasingBody

_MAX_BYTES: Final = 512 << 20  # of all bodies that clients have not read
_RETRY_SECONDS: Final = 10


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
        release: Callable[[], None] | None = None,
    ) -> None:
        """Set the response body.

        The pieces are made and compressed here, while other greenlets run. What the client has not
        read then needs a tenth of the memory or less.

        Args:
            request: says which content codings the client accepts.
            response: receives the body and its headers.
            pieces: the body.
            content_type: of the body.
            vary: names of other headers of the request that the body depends on.
            release: called when the client has read the body, or is gone; not if this raises.

        Raises:
            falcon.HTTPServiceUnavailable: other bodies that are not read take too much memory.
        """
        coding = coding_of(request.get_header("Accept-Encoding") or "", CODINGS)
        if coding != IDENTITY:
            pieces = self._thread.compress(pieces, coding)
        body, size = self._collect(pieces)
        response.content_type = content_type
        response.vary = (*vary, "Accept-Encoding")
        response.content_length = size
        if coding != IDENTITY:
            response.set_header("Content-Encoding", coding)

        def end() -> None:
            self._bytes -= size
            if release is not None:
                release()

        response.stream = ReleasingBody(_taken_from(body), end)

    def _collect(self, pieces: Iterable[bytes]) -> tuple[deque[bytes], int]:
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
        return body, size

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
