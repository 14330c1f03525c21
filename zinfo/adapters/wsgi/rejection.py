"""Requests that are refused before the application sees them, and the headers of all answers."""

from __future__ import annotations

import json
from typing import Final

CONTENT_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of all answers: nothing is loaded, run, sent or framed."""

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of all answers."""

_RETRYABLE: Final = ("408", "429", "503")
"""Statuses of refusals after which the same request may be answered later."""


class Refused(Exception):  # noqa: N818  # it is an answer, no fault
    """A request that is refused before the application sees it.

    Attributes:
        status: of the answer, such as `400 Bad Request`.
        message: for the client: what is wrong, or what to do.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def refusal(refused: Refused, *, body: bool = True) -> bytes:
    """Return a whole answer that refuses a request; it ends the connection."""
    code = refused.status[4:].lower().replace(" ", "_")
    retryable = refused.status[:3] in _RETRYABLE
    error = {"code": code, "message": refused.message, "retryable": retryable}
    content = json.dumps({"error": error}).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Connection": "close",
        **HEADERS,
    }
    if retryable:
        headers["Retry-After"] = "1"
    lines = [f"HTTP/1.1 {refused.status}", *(": ".join(one) for one in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (content if body else b"")
