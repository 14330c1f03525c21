"""Who may ask what over HTTP: looked at before any request gets further."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import falcon

from zinfo.adapters.wsgi.client_shares import Shares
from zinfo.adapters.wsgi.request_rules import CLIENT, PEER, PEER_NAME
from zinfo.security.rights import EVERYTHING, Rights
from zinfo.security.tokens import Tokens

OPEN_PATHS = frozenset(("/healthz", "/readyz"))
"""For those who look whether zinfo lives, and who are told nothing else."""

_BEARER = "bearer "


class Guard:
    """Finds out what the client of a request may; a middleware of falcon's.

    Args:
        tokens: the clients; None lets in all who reach the door.
    """

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def client_of(self, environ: Mapping[str, Any]) -> str:
        """Return the name of the client that sent a request; "" where it has none."""
        if self._tokens is None:
            return ""
        rights = self._find(environ.get("HTTP_AUTHORIZATION", ""), environ.get(PEER_NAME, ""))
        return "" if rights is None else rights.name

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        """Put the client's rights into the request's context, and what finds them out anew.

        Raises:
            falcon.HTTPUnauthorized: nobody knows the client.
        """
        if request.path in OPEN_PATHS:
            return
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
    if not rights.can_call(operation):
        raise falcon.HTTPForbidden(description=f"this client may not call {operation}")
    return rights


def take_share(shares: Shares, request: falcon.Request, of_what: str) -> Callable[[], None]:
    """Take one of something for whoever sent a request; return what gives it back.

    Args:
        shares: of which one is taken, in the name of the connection's peer and of the client.
        request: its connection and client.
        of_what: what there are shares of, for the error.

    Raises:
        falcon.HTTPServiceUnavailable: all are taken.
        falcon.HTTPTooManyRequests: this address or client has its share.
    """
    client = request.env.get(CLIENT, "")
    holders = [request.env.get(PEER, ""), *([f"client {client}"] if client else [])]
    if shares.take(*holders):
        return partial(shares.give_back, *holders)
    if shares.is_spent:
        raise falcon.HTTPServiceUnavailable(
            description=f"{shares.total} {of_what} are open", retry_after=1
        )
    raise falcon.HTTPTooManyRequests(
        description=f"this address or client has its share of {of_what}", retry_after=1
    )
