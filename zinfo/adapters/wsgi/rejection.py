"""Rejection of requests before the application sees them, and the headers of all responses."""

from __future__ import annotations

import json
from typing import Final

CONTENT_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of all responses: nothing is loaded, run, sent or framed."""

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of all responses."""

_RETRYABLE: Final = ("408", "429", "503")
"""Status codes of rejections after which the same request may succeed later."""


class RequestRejected(Exception):  # noqa: N818  # a response to the client, not an error here
    """A request is rejected before the application sees it.

    Attributes:
        status: of the response, such as `400 Bad Request`.
        message: for the client: what is wrong, or what to do.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def rejection_response(rejected: RequestRejected, *, body: bool = True) -> bytes:
    """Return a complete HTTP response for a rejected request; it closes the connection."""
    code = rejected.status[4:].lower().replace(" ", "_")
    retryable = rejected.status[:3] in _RETRYABLE
    error = {"code": code, "message": rejected.message, "retryable": retryable}
    content = json.dumps({"error": error}).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Connection": "close",
        **HEADERS,
    }
    if retryable:
        headers["Retry-After"] = "1"
    lines = [f"HTTP/1.1 {rejected.status}", *(": ".join(one) for one in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (content if body else b"")
