"""The query operations over HTTP, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, cast

import falcon
import msgspec

from zinfo.adapters.http.auth import require_operation
from zinfo.adapters.http.columns import COLUMNS_PAGE_BYTES, columns_as_json
from zinfo.adapters.http.history import HISTORY_PAGE_BYTES, history_as_json
from zinfo.adapters.http.responses import encode, set_json
from zinfo.adapters.http.routes import Route, parse_arguments
from zinfo.query.call import OperationResult, QueryLimits
from zinfo.security.rights import Rights
from zinfo.wire.codec import unpack
from zinfo.wire.info_meta import clear_unknown_ages
from zinfo.wire.query_messages import Request

_PAGE_BYTES = {"get_columns": COLUMNS_PAGE_BYTES, "history": HISTORY_PAGE_BYTES}
_MAX_REPLY_BYTES = 1 << 20  # of msgpack, which is converted to JSON without a yield


class RunsOperations(Protocol):
    """Runs query operations: those of this daemon, or those of others elsewhere.

    Attributes:
        limits: of requests and replies.
    """

    limits: QueryLimits

    def run(
        self, request: Request, rights: Rights, *, limits: QueryLimits | None = None
    ) -> OperationResult:
        """Run one request.

        Args:
            request: the request.
            rights: of the client.
            limits: of this request; None for those of all.

        Raises:
            RequestError: the request is invalid, or cannot be answered.
        """


class _Resource:
    """Runs one query operation.

    Args:
        operations: runs it.
        route: the operation and its arguments.
    """

    def __init__(self, operations: RunsOperations, route: Route) -> None:
        self._operations = operations
        self._limits = replace(operations.limits, max_reply_bytes=_MAX_REPLY_BYTES)
        self._route = route
        if route.operation in _PAGE_BYTES:
            self._limits = replace(self._limits, page_bytes=_PAGE_BYTES[route.operation])

    def _respond(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with `{"data": ..., ...}`."""
        rights = require_operation(request, self._route.operation)
        args = parse_arguments(request.query_string, self._route.arguments)
        result = self._operations.run(
            Request(self._route.operation, args), rights, limits=self._limits
        )
        data = msgspec.Raw(self._as_json(result.body, args))
        set_json(response, {"data": data, **result.extra})

    def _as_json(self, body: bytes, args: Mapping[str, object]) -> bytes:
        """Return the body of a reply as JSON; a long one yields to the event loop."""
        if self._route.operation == "get_columns":
            return columns_as_json(body, args)
        if self._route.operation == "history":
            return history_as_json(body)
        return self._encoded(body, partial=bool(args.get("allow_partial")))

    def _encoded(self, body: bytes, *, partial: bool) -> bytes:
        value = unpack(body)
        if partial and self._route.operation == "get_infos":
            clear_unknown_ages(cast("list[dict[str, Any]]", value))
        return encode(value)


class _Reading(_Resource):
    """Serves an operation that changes nothing."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with the result."""
        self._respond(request, response)


class _Changing(_Resource):
    """Serves an operation that changes something: never by GET, which links and images send."""

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with the result."""
        self._respond(request, response)


def operation_resource(operations: RunsOperations, route: Route) -> object:
    """Return the resource that serves one query operation.

    Args:
        operations: runs it.
        route: the operation, its arguments and its method.
    """
    return (_Changing if route.method == "POST" else _Reading)(operations, route)
