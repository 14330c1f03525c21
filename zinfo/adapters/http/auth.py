"""Authentication and authorization of HTTP requests, before they reach a resource."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import falcon

from zinfo.adapters.wsgi.client_quotas import ClientQuotas
from zinfo.adapters.wsgi.request_policy import CLIENT, PEER, PEER_NAME
from zinfo.security.rights import ALL_RIGHTS, Rights
from zinfo.security.tokens import Tokens

OPEN_PATHS = frozenset(("/healthz", "/readyz"))
"""Paths that need no authentication: health probes, which reveal nothing else."""

_BEARER = "bearer "


class AuthMiddleware:
    """Determines the rights of the client that sent a request; falcon middleware.

    Args:
        tokens: the known clients; None authorises every request for everything.
        open_paths: paths that need no authentication besides `OPEN_PATHS`.
    """

    def __init__(self, tokens: Tokens | None, open_paths: Collection[str] = ()) -> None:
        self._tokens = tokens
        self._open_paths = OPEN_PATHS.union(open_paths)

    def client_of(self, environ: Mapping[str, Any]) -> str:
        """Return the name of the client that sent a request; "" if it has none."""
        if self._tokens is None:
            return ""
        rights = self._find(environ.get("HTTP_AUTHORIZATION", ""), environ.get(PEER_NAME, ""))
        return "" if rights is None else rights.name

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        """Store the client's rights in the request's context, and a function to look them up again.

        Raises:
            falcon.HTTPUnauthorized: the client is unknown.
        """
        if request.path in self._open_paths:
            return
        credentials, name = request.auth or "", request.env.get(PEER_NAME, "")
        request.context.find_rights = partial(self._find, credentials, name)
        request.context.rights = self._find(credentials, name)
        if request.context.rights is None:
            raise falcon.HTTPUnauthorized(
                description="send a token (Authorization: Bearer ...) or present a certificate",
                challenges=["Bearer"],
            )

    def _find(self, credentials: str, name: str) -> Rights | None:
        if self._tokens is None:
            return ALL_RIGHTS
        if credentials.lower().startswith(_BEARER):
            return self._tokens.rights_of_token(credentials[len(_BEARER) :].strip())
        return self._tokens.rights_of_name(name)


def require_operation(request: falcon.Request, operation: str) -> Rights:
    """Return the rights of the client that sent a request.

    Raises:
        falcon.HTTPForbidden: the client is not allowed to call the operation.
    """
    rights: Rights = request.context.rights
    if not rights.can_call(operation):
        raise falcon.HTTPForbidden(description=f"this client is not allowed to call {operation}")
    return rights


def acquire_quota(
    quotas: ClientQuotas, request: falcon.Request, resource: str
) -> Callable[[], None]:
    """Acquire one unit of a limited resource for a request; return the function to release it.

    Args:
        quotas: of the resource; the unit counts for the peer's address and for the client's name.
        request: the request that needs the unit.
        resource: what the units are, in the plural, for the error.

    Raises:
        falcon.HTTPServiceUnavailable: all units are in use.
        falcon.HTTPTooManyRequests: the quota of this address or client is exhausted.
    """
    client = request.env.get(CLIENT, "")
    holders = [request.env.get(PEER, ""), *([f"client {client}"] if client else [])]
    if quotas.acquire(*holders):
        return partial(quotas.release, *holders)
    if quotas.exhausted:
        raise falcon.HTTPServiceUnavailable(
            description=f"all {quotas.total} {resource} are in use", retry_after=1
        )
    raise falcon.HTTPTooManyRequests(
        description=f"this address or client has too many {resource}", retry_after=1
    )
