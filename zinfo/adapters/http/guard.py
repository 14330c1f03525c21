"""Who may ask what over HTTP: looked at before any request gets further."""

from __future__ import annotations

import ipaddress
from functools import partial

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
        """Put the client's rights into the request's context, and what finds them out anew.

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
        shown, name = request.auth or "", request.env.get(PEER_NAME, "")
        request.context.find_rights = partial(self._find, shown, name)
        request.context.rights = self._find(shown, name)
        if request.context.rights is None:
            raise falcon.HTTPUnauthorized(
                description="show a token (Authorization: Bearer ...) or a certificate",
                challenges=["Bearer"],
            )

    def _find(self, shown: str, name: str) -> Rights | None:
        if self._tokens is None:
            return EVERYTHING
        if shown.lower().startswith(_BEARER):
            return self._tokens.rights_of_token(shown[len(_BEARER) :].strip())
        return self._tokens.rights_of_name(name)


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
