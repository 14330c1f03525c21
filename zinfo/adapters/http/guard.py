"""Who may ask what over HTTP: looked at before any request gets further."""

from __future__ import annotations

import ipaddress

import falcon

from zinfo.adapters.wsgi import PEER_NAME
from zinfo.security.rights import EVERYTHING, Rights
from zinfo.security.tokens import Tokens

OPEN_PATHS = frozenset(("/healthz", "/readyz"))
"""For those who look whether zinfo lives, and who are told nothing else."""

_BEARER = "bearer "


class Guard:
    """Finds out what the client of a request may; a middleware of falcon's.

    Args:
        tokens: the clients; None lets in all who reach the door.
        any_name: take requests under any host's name. Else, where all are let in, they must come
            by address or as localhost: a page in a browser, whose own name was made to lead here,
            could read all.
    """

    def __init__(self, tokens: Tokens | None, *, any_name: bool) -> None:
        self._tokens = tokens
        self._any_name = any_name or tokens is not None

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        """Put the client's rights into the request's context.

        Raises:
            falcon.HTTPUnauthorized: nobody knows the client.
            falcon.HTTPForbidden: the request has another host's name.
        """
        if request.path in OPEN_PATHS:
            return
        if not self._any_name and not _is_own_name(request.host):
            raise falcon.HTTPForbidden(
                description="ask by address, or as localhost; or have tokens made: docs/http.md"
            )
        request.context.rights = EVERYTHING if self._tokens is None else self._known(request)

    def _known(self, request: falcon.Request) -> Rights:
        assert self._tokens is not None
        rights = None
        shown = request.auth or ""
        if shown.lower().startswith(_BEARER):
            rights = self._tokens.rights_of_token(shown[len(_BEARER) :].strip())
        else:
            rights = self._tokens.rights_of_name(request.env.get(PEER_NAME, ""))
        if rights is None:
            raise falcon.HTTPUnauthorized(
                description="show a token (Authorization: Bearer ...) or a certificate",
                challenges=["Bearer"],
            )
        return rights


def require(request: falcon.Request, operation: str) -> Rights:
    """Return what the client of a request may.

    Raises:
        falcon.HTTPForbidden: not this operation.
    """
    rights: Rights = request.context.rights
    if not rights.may(operation):
        raise falcon.HTTPForbidden(description=f"this client may not call {operation}")
    return rights


def _is_own_name(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
