"""Rejects cross-site requests: requests that a page of another site makes a browser send.

Browsers state the origin of a request in Fetch Metadata headers
(https://www.w3.org/TR/fetch-metadata/) and in Origin. Other programs send neither, and are not
restricted here. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

_TRUSTED: Final = ("same-origin", "none")
"""Values of Sec-Fetch-Site; `none` if the user typed the address or opened a bookmark."""


def is_allowed(environ: Mapping[str, str], pages: Collection[str]) -> bool:
    """Return whether the origin of a request allows it to be served.

    Another origin may only navigate a whole tab to a page, as by a link. This includes origins of
    the same site, such as another port of localhost.

    Args:
        environ: WSGI environment with the request's headers.
        pages: paths that pages of other sites may link to.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is None:
        return _is_same_origin(environ.get("HTTP_ORIGIN"), environ.get("HTTP_HOST", ""))
    if site in _TRUSTED:
        return True
    return (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
        and environ["PATH_INFO"] in pages
    )


def _is_same_origin(origin: str | None, host: str) -> bool:
    """Return whether the Origin of a browser without Fetch Metadata is this server."""
    return origin is None or origin.lower().partition("://")[2] == host.lower()
