"""Requests that another site's page has a browser send: what they may ask for, which is little.

Browsers say where a request comes from: Fetch Metadata (https://www.w3.org/TR/fetch-metadata/), and
Origin. Programs that are no browsers send neither, and are not restricted here. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

_SAME: Final = ("same-origin", "none")  # none: the user typed the address, or opened a bookmark


def may_answer(environ: Mapping[str, str], pages: Collection[str]) -> bool:
    """Return whether a request may be answered, as far as its origin is concerned.

    From other origins, those of the same site included (another port of localhost is one), only a
    page may be asked for, and only as what the whole tab then shows: a link was followed.

    Args:
        environ: of WSGI, with the request's headers.
        pages: paths of the pages that others may link to.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is None:
        return _is_own_origin(environ.get("HTTP_ORIGIN"), environ.get("HTTP_HOST", ""))
    if site in _SAME:
        return True
    return (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
        and environ["PATH_INFO"] in pages
    )


def _is_own_origin(origin: str | None, host: str) -> bool:
    """Return whether a browser without Fetch Metadata asks for a page of this server."""
    return origin is None or origin.lower().partition("://")[2] == host.lower()
