"""The files of the page, and its definitions, as HTTP resources."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Final

import falcon

from zinfo.adapters.http.responses import JSON, encode
from zinfo.adapters.page.definitions import definitions
from zinfo.adapters.wsgi.rejection import CONTENT_POLICY
from zinfo.security.rights import Rights

CONTENT_POLICY_OF_PAGE: Final = (
    f"{CONTENT_POLICY}; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
)
"""Content-Security-Policy of the page: it loads and requests only what this server has."""

_INDEX: Final = "index.html"
_FOLDER: Final = "/page/"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageFile:
    """One file of the page.

    Args:
        content: of the file.
        content_type: of the file.
    """

    def __init__(self, content: bytes, content_type: str) -> None:
        self._content = content
        self._type = content_type
        self._etag = hashlib.sha256(content).hexdigest()[:32]

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with the file, or with 304 if the client has it."""
        response.etag = self._etag
        response.cache_control = ("no-cache",)  # it may be stored, but has to be revalidated
        # Also of a 304: a browser replaces the headers that it has stored by those.
        response.set_header("Content-Security-Policy", CONTENT_POLICY_OF_PAGE)
        if any(tag in ("*", self._etag) for tag in request.if_none_match or ()):
            response.status = falcon.HTTP_304
            return
        response.content_type = self._type
        response.data = self._content


class Definitions:
    """`/view.json`: what the page reads once.

    Args:
        about: returns what differs between clients: the daemon, and what the client may call.
    """

    def __init__(self, about: Callable[[Rights], Mapping[str, object]]) -> None:
        self._about = about
        self._definitions = definitions()

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with the definitions."""
        response.content_type = JSON
        response.cache_control = ("no-store",)
        response.data = encode({**self._definitions, **self._about(request.context.rights)})


def page_files() -> dict[str, PageFile]:
    """Return the files of the page by their paths: `/`, and `/page/NAME` for all but the first."""
    found = {}
    for entry in (files("zinfo.adapters.page") / "static").iterdir():
        kind = _TYPES.get(f".{entry.name.rpartition('.')[2]}")
        if kind is not None and entry.is_file():
            path = "/" if entry.name == _INDEX else f"{_FOLDER}{entry.name}"
            found[path] = PageFile(entry.read_bytes(), kind)
    return found
